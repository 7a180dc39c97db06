package tidemill

// A Host answers the calls of a processor. In a component it is Tidemill itself; a test brings one, see tidemilltest.
type Host interface {
	Get(key string) Value
	GetMany(keys []string) []Value
	Scan(r Range) Page
	Put(key string, value Value)
	Delete(key string)
	Apply(writes []Write)
	Setting(name string) (value string, ok bool)
	Settings() []Setting
	LogEnabled(level Level) bool
	Log(level Level, message string)
}

var host Host = nobody{}

// What a program has that calls before or after a batch, or in a test without a host.
type nobody struct{}

const noHost = "there is no host to ask: the state, the configuration and the log are there while a batch is processed; " +
	"in tests use tidemilltest"

func (nobody) Get(string) Value              { panic(noHost) }
func (nobody) GetMany([]string) []Value      { panic(noHost) }
func (nobody) Scan(Range) Page               { panic(noHost) }
func (nobody) Put(string, Value)             { panic(noHost) }
func (nobody) Delete(string)                 { panic(noHost) }
func (nobody) Apply([]Write)                 { panic(noHost) }
func (nobody) Setting(string) (string, bool) { panic(noHost) }
func (nobody) Settings() []Setting           { panic(noHost) }
func (nobody) LogEnabled(Level) bool         { panic(noHost) }
func (nobody) Log(Level, string)             { panic(noHost) }
