package load

import (
	"fmt"
	"slices"
	"time"
)

// times are sorted durations.
type times []time.Duration

func sorted(list []time.Duration) times {
	slices.Sort(list)
	return list
}

// at is the time within which this part of all were done: at(0.5) is the median.
func (t times) at(part float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	return t[min(int(part*float64(len(t))), len(t)-1)]
}

// String shows the percentiles people ask for.
func (t times) String() string {
	if len(t) == 0 {
		return "none"
	}
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", ms(t.at(.5)), ms(t.at(.9)), ms(t.at(.99)), ms(t.at(.999)), ms(t.at(1)))
}
