module probe

go 1.27

require github.com/tidemill/tidemill/sdk/go v0.0.0

replace github.com/tidemill/tidemill/sdk/go => ./../../../sdk/go
