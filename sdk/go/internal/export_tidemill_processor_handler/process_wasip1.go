// Package export_tidemill_processor_handler is what the generated bindings call for each batch. Its name is theirs.
package export_tidemill_processor_handler

import (
	"github.com/tidemill/tidemill/sdk/go/internal/bindings/tidemill_processor_types"
	"github.com/tidemill/tidemill/sdk/go/internal/wit/types"
)

// Process is set by the package tidemill, which this one cannot import: it would go round in circles.
var Process func(tidemill_processor_types.Batch) types.Result[types.Unit, tidemill_processor_types.Failure]
