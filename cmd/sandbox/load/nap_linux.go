package load

import (
	"syscall"
	"time"
)

// nap sleeps, and wakes at most some 50 µs late. The runtime's own timers may be a millisecond late on an idle machine,
// which is more than what is measured here.
func nap(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // it may be cut short by a signal
}
