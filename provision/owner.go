package provision

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Owner is the process that holds a [Lock].
type Owner struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Command string    `json:"command"` // "provision up"
	Since   time.Time `json:"since"`
	// Start is when the process started, in the kernel's ticks since boot: together with the
	// id it names one process, since ids are used again. 0 where the system does not tell.
	Start uint64 `json:"start"`
}

func (o Owner) String() string {
	return fmt.Sprintf("%s runs since %s (process %d on %s)", o.Command, o.Since.Local().Format("2006-01-02 15:04:05"), o.PID, o.Host)
}

func self(command string) Owner {
	return Owner{
		PID: os.Getpid(), Host: hostname(), Command: command,
		Since: time.Now().Truncate(time.Second), Start: startTicks(os.Getpid()),
	}
}

// runs tells whether the process is there, on this host.
func (o Owner) runs() bool {
	if o.PID <= 0 {
		return false
	}
	if err := syscall.Kill(o.PID, 0); err != nil && !errors.Is(err, syscall.EPERM) {
		return false
	}
	start := startTicks(o.PID)
	return !ended(o.PID) && (o.Start == 0 || start == 0 || start == o.Start)
}

// ended tells whether a process has ended although its parent has not asked for its exit
// code yet: a killed child of a program that does not wait, or in a container without init.
func ended(pid int) bool {
	fields := statFields(pid)
	return len(fields) > 0 && (fields[0] == "Z" || fields[0] == "X")
}

// same tells whether both are one process.
func (o Owner) same(other Owner) bool { return o.PID == other.PID && o.Start == other.Start }

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// statFields are the fields of /proc/PID/stat from the third one, the state, on; none where
// there is no such file. They stand behind the last bracket: the second field is the
// program's name, which may hold anything.
func statFields(pid int) []string {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return nil
	}
	return strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
}

// startTicks is field 22, when the process started.
func startTicks(pid int) uint64 {
	fields := statFields(pid)
	if len(fields) < 20 {
		return 0
	}
	ticks, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0
	}
	return ticks
}
