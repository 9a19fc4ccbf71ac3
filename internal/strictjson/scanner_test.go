package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSkipAcceptsOnlyStrictJSON(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		ok         bool
	}{
		{"an empty object", `{}`, true},
		{"white space around everything", " { \"a\" : [ 1 , 2 ] } \n", true},
		{"numbers of every form", `[0,-0,1.5,-2e10,3E-2,4e+1]`, true},
		{"escapes of every form", `"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, true},
		{"the deepest nesting", strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), true},
		{"one level deeper", strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), false},
		{"a megabyte of open brackets", strings.Repeat("[", 1<<20), false},
		{"a repeated name", `{"aud":"a","aud":"b"}`, false},
		{"a repeated name, once escaped", `{"aud":"a","\u0061ud":"b"}`, false},
		{"names that differ in case are two names", `{"aud":"a","AUD":"b"}`, true},
		{"a repeated name in a large object", largeObject(100, `,"k7":1`), false},
		{"a large object", largeObject(100, ""), true},
		{"a lone high surrogate", `"\ud800"`, false},
		{"a lone low surrogate", `"\udc00"`, false},
		{"a high surrogate before another escape", `"\ud800\n"`, false},
		{"bytes that are not UTF-8", "\"\xff\"", false},
		{"bytes that are not UTF-8 behind an escape", "\"\\n\xff\"", false},
		{"a control character in a string", "\"a\nb\"", false},
		{"a leading zero", `01`, false},
		{"a plus sign", `+1`, false},
		{"a bare point", `1.`, false},
		{"an exponent without digits", `1e`, false},
		{"a trailing comma in an object", `{"a":1,}`, false},
		{"a trailing comma in an array", `[1,]`, false},
		{"a leading comma", `[,1]`, false},
		{"two values", `{} {}`, false},
		{"a comment", `{/**/}`, false},
		{"an unfinished word", `tru`, false},
		{"NaN", `NaN`, false},
		{"nothing", ``, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := skipAll([]byte(tc.text))
			if (err == nil) != tc.ok {
				t.Errorf("err = %v, want ok = %v", err, tc.ok)
			}
			if err != nil && !errors.Is(err, ErrSyntax) {
				t.Errorf("err = %v does not wrap ErrSyntax", err)
			}
		})
	}
}

func TestInt64(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-1": -1, "1795487155": 1795487155, "9223372036854775807": 1<<63 - 1,
	} {
		var s Scanner
		s.Reset([]byte(text))
		if got, err := s.Int64(); err != nil || got != want {
			t.Errorf("Int64(%s) = %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"9223372036854775808", "99999999999999999999", "1.0", "1e3", `"1"`, "", "-"} {
		var s Scanner
		s.Reset([]byte(text))
		if got, err := s.Int64(); err == nil {
			t.Errorf("Int64(%s) = %d, want an error", text, got)
		}
	}
}

func TestErrorsNeverQuoteTheText(t *testing.T) {
	err := skipAll([]byte(`{"token": secret}`))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Fatalf("err = %v", err)
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	text := []byte(`{"iss":"http://sso.harmony.local:8080","exp":1795487155,"aud":["1","2"],"a\u0062c":{"x":[1,2,{"y":null}]}}`)
	buf := make([]byte, len(text))
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, text)
		if err := skipAll(buf); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzScanner holds the scanner against encoding/json: what we accept, it accepts and reads
// alike; what it accepts and we refuse is refused for one of our stated reasons.
func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.5e3,"x\u00e9\ud83d\ude00",true,null]}`, `{"a":1,"a":2}`, `"\ud800"`, "\"\xff\"", `[[[[]]]]`, `-0`, `1e400`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s Scanner
		s.Reset(bytes.Clone(text))
		ours, err := read(&s)
		if err == nil {
			err = s.End()
		}
		var theirs any
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		theirErr := dec.Decode(&theirs)
		if theirErr == nil && dec.More() {
			theirErr = errors.New("more")
		}
		if err == nil {
			if theirErr != nil || !json.Valid(text) {
				t.Fatalf("accepted %q, encoding/json says %v", text, theirErr)
			}
			a, _ := json.Marshal(ours)
			b, _ := json.Marshal(theirs)
			if !bytes.Equal(a, b) {
				t.Fatalf("read %q as %s, encoding/json as %s", text, a, b)
			}
			return
		}
		if !json.Valid(text) || !utf8.Valid(text) {
			return
		}
		switch msg := err.Error(); {
		case strings.Contains(msg, "twice"), strings.Contains(msg, "deep"), strings.Contains(msg, "escape"):
		default:
			t.Fatalf("refused %q: %v", text, err)
		}
	})
}

func read(s *Scanner) (any, error) {
	switch s.Peek() {
	case Object:
		m := map[string]any{}
		err := s.Object(func(name []byte) error {
			v, err := read(s)
			m[string(name)] = v
			return err
		})
		return m, err
	case Array:
		list := []any{}
		err := s.Array(func() error {
			v, err := read(s)
			list = append(list, v)
			return err
		})
		return list, err
	case String:
		b, err := s.String()
		return string(b), err
	case Number:
		start := s.pos
		err := s.number()
		return json.Number(s.data[start:s.pos]), err
	case Bool:
		return s.Bool()
	default:
		return nil, s.Skip()
	}
}

func skipAll(text []byte) error {
	var s Scanner
	s.Reset(text)
	if err := s.Skip(); err != nil {
		return err
	}
	return s.End()
}

func largeObject(n int, more string) string {
	var b strings.Builder
	b.WriteString(`{"k0":0`)
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, `,"k%d":0`, i)
	}
	return b.String() + more + "}"
}
