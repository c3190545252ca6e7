package load

import (
	"context"
	"io"
)

func measureAll(context.Context, options, io.Writer) (bool, error) { return true, nil }
