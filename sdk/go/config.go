package tidemill

// A Setting is a line of the processor's configuration.
type Setting struct{ Name, Value string }

// Config is the value of a setting, [processors.NAME.config] in tidemill.toml. Numbers and booleans are as TOML writes them.
func Config(name string) (value string, ok bool) { return host.Setting(name) }

// ConfigAll are all settings, ordered by name.
func ConfigAll() []Setting { return host.Settings() }
