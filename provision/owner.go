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
	return o.Start == 0 || start == 0 || start == o.Start
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

// startTicks reads field 22 of /proc/PID/stat. Fields are counted behind the last bracket:
// the second one is the program's name, which may hold anything.
func startTicks(pid int) uint64 {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return 0
	}
	ticks, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0
	}
	return ticks
}
