package conf

import "strings"

// Code is a kind of finding: FL0xx environment and options, FL1xx file syntax, look-ups and agent names, FL2xx components
// and wiring, FL3xx property names, FL4xx values and combinations, FL5xx advice and security, FL6xx run-time start,
// FL7xx reload.
type Code struct {
	ID    string // FL103
	Title string // half a sentence
	Text  string // why, what Flume does, what to write; lines as they are shown
}

// Lookup returns the code of that id, in any case; the zero Code if there is none.
func Lookup(id string) Code {
	for _, c := range codes {
		if strings.EqualFold(c.ID, id) {
			return c
		}
	}
	return Code{}
}

// Codes returns all codes in their order.
func Codes() []Code { return codes }

// The codes that this package reports. The agent's own are in the table alone.
const (
	codeNoFile    = "FL001"
	codeWrongKind = "FL002"
	codeTooLarge  = "FL003"
	codeBinary    = "FL004"
	codeEmpty     = "FL005"
	codeBOM       = "FL006"

	codeNoSuchAgent = "FL101"
	codeNotDeclared = "FL102"
	codeComma       = "FL103"
	codeNoAgent     = "FL104"
	codeNoGroup     = "FL105"
	codeNoValue     = "FL106"
	codeSyntax      = "FL107"
	codeWhichAgent  = "FL108"
	codeListedTwice = "FL109"
	codeLookup      = "FL110"
	codeCycle       = "FL111"
	codeShell       = "FL112"
	codeDenied      = "FL113"
	codeProbe       = "FL601"
	codeFound       = "FL602"

	codeNotConfigured   = "FL201"
	codeNotListed       = "FL202"
	codeNoType          = "FL203"
	codeUnknownChannel  = "FL204"
	codeChannelKey      = "FL205"
	codeTwoChannels     = "FL206"
	codeNoChannels      = "FL207"
	codeNoChannel       = "FL208"
	codeManyChannels    = "FL209"
	codeUnknownType     = "FL210"
	codeRefusedType     = "FL211"
	codeUnknownSink     = "FL230"
	codeTwoGroups       = "FL231"
	codeNoSinks         = "FL232"
	codeNoProcessor     = "FL233"
	codeOneSink         = "FL234"
	codeNoChannelsAtAll = "FL240"
	codeNothingToRun    = "FL241"
	codeUnused          = "FL242"
	codeNotDrained      = "FL243"

	codeUnknownKey = "FL301"
	codeTwice      = "FL302"
	codeRepeated   = "FL303"
	codeDeprecated = "FL310"

	codeMissing   = "FL401"
	codeNumber    = "FL402"
	codeRange     = "FL403"
	codeEnum      = "FL404"
	codeBool      = "FL405"
	codeDuration  = "FL406"
	codeMalformed = "FL407"
	codeRule      = "FL408"
	codeBatch     = "FL410"
	codeTimestamp = "FL420"

	codeClearSecret = "FL520"
	codePublic      = "FL521"
)

var codes = []Code{
	{"FL001", "a configuration file cannot be read", `
The file named by --conf-file is not there, may not be read, or is a directory without *.conf and *.properties.
The agent ends with status 66. Flume logs the exception and ends with status 0, so that its supervisor believes
all is well.
Check the path and the rights of the user that runs the agent: sudo -u goflume cat FILE.`},
	{"FL002", "a configuration file is of another kind", `
Configurations are Java properties: lines of key = value. Files named .json, .yaml or .xml are refused; Flume
ignores them with a warning and then runs without any configuration.
Rename the file to .conf if it holds properties in spite of its name.`},
	{"FL003", "a configuration file is too large", `
Real configurations have some thousand bytes. One of more than 1 MiB is a data file named by mistake, and is
not read to its end.`},
	{"FL004", "a configuration file is no text", `
The file has zero bytes, is compressed, or is UTF-16. Save it as UTF-8; ISO-8859-1, the encoding that Java's
properties had for long, is read as well.`},
	{"FL005", "a configuration has no property", `
The file is empty or has comments alone. Flume logs "No configuration could be found", fails on a null pointer
and ends with status 0. Here the status is 78.
agent create netcat/memory/logger -o flume.conf    writes one that runs.`},
	{"FL006", "the file starts with a byte order mark", `
Editors on Windows write three bytes, EF BB BF, before the first character. They are skipped here. In Flume they
become part of the first key: when the first line is a1.sources = r1, there is no source.
Save the file as "UTF-8 without BOM".`},
	{"FL020", "a line of flume-env.sh is not understood", `
flume-env.sh is read as data and never run by a shell: lines of export NAME=value with literal values, and the
-D options in JAVA_OPTS and FLUME_JAVA_OPTS, count. A line that computes something does not.
Set the variable where the agent is started (systemd: Environment=, docker: -e), or write its literal value.`},
	{"FL030", "Java class path and plug-ins have no effect", `
This agent is no Java program: --classpath, --plugins-path and plugins.d are accepted so that start scripts work,
and jars in them are not loaded. Types of the configuration that such a jar would provide are refused by name.`},
	{"FL031", "an option is not supported", `
The option changes where the configuration comes from or how the agent runs, so leaving it out in silence would
run something else than what was asked for. The message names what to use instead.`},
	{"FL032", "a password stands on the command line", `
Every user of the machine sees the command lines of all processes (ps). The password of --conf-uri is better in a
file that only the agent's user may read: --conf-password-file FILE.`},

	{"FL101", "no agent of that name", `
One file may hold several agents; a line belongs to the agent it starts with. --name takes one of them and may be
left out when there is only one. Flume starts with any name: one that is not in the file gives a process that
runs, does nothing and says so in one warning.`},
	{"FL102", "an agent has properties but no lists", `
An agent is declared by its lists:
    a1.sources = r1
    a1.channels = c1
    a1.sinks = k1
Lines that start with another word belong to another agent, also when it only looks the same: al and a1, O1 and 01.
Flume drops such lines, and what they configure is then missing elsewhere.`},
	{"FL103", "names in a list are separated by commas", `
Flume splits lists at blanks only. "c1, c2" is a list of "c1," and "c2", and "c1,c2" is one name. The component
c1 is then configured but not in the list, and is not created.
    a1.channels = c1 c2`},
	{"FL104", "a line has no agent or no key", `
Every property is agent.list or agent.family.name.property. A key without a dot is of use only as a variable for
${key} in other values. Any other is ignored, here as in Flume.`},
	{"FL105", "an agent has no such property", `
Below an agent's name there are sources, channels, sinks, sinkgroups and configfilters: the lists, and the
properties of what is in them, such as a1.sources.r1.type. Flume ignores anything else with the warning "Invalid
property specified". The words are plural: a1.source.r1.type configures nothing.`},
	{"FL106", "a property has no value", `
A property cannot be set to nothing: Flume ignores it, and so does this agent. Take the line out, or comment it.`},
	{"FL107", "a line cannot be read", `
In Java's properties a backslash begins an escape: \\ is a backslash, \t a tab, \u00e9 an é. A \u must be followed
by four hexadecimal digits; otherwise Java refuses the whole file. Windows paths need two backslashes each, or
forward slashes.`},
	{"FL108", "several agents and no --name", `
The file holds more than one agent, and each is meant to run as a process of its own: agent -f FILE -n NAME.`},
	{"FL109", "a name is in a list twice", `
The second one has no effect. Most often one of the two was meant to be another name.`},
	{"FL110", "a look-up resolves to nothing", `
${env:X}, ${sys:X}, ${other.key}, ${file:UTF-8:/path}, ${cred:name}, ${date:pattern} and ${filter['key']} are
replaced before anything else. Flume leaves one that resolves to nothing as it is written, and connects to a host
called ${env:X}. Here the start is refused; --lenient does as Flume.
    a1.sinks.k1.hostname = ${env:COLLECTOR:-localhost}     with a default
    a1.sources.r1.command = echo $${HOME}                  the text ${HOME} itself, for a shell`},
	{"FL111", "look-ups refer to each other in a circle", `
The value of a property needs, by way of others, its own value. Java ends with an exception.`},
	{"FL112", "a look-up is left to the shell", `
In the command of an exec source ${x} may be meant for the shell. Where no property has that name it is left as
it is, as Flume does. Write $${x} to say that you mean it.`},
	{"FL113", "a secret file may not be read", `
The user that runs the agent has no right to read the file of a ${file:...} or ${cred:...} look-up. The agent ends
with status 77. With systemd, LoadCredential=name:/path hands a file over whoever may read it.`},

	{"FL201", "a component is declared but not configured", `
The name is in the agent's list, and no line starts with agent.family.name. Flume drops it with "Configuration
empty for: NAME.Removed", a channel without a word, and then what is connected to it. Often the name in the
properties is another one: the list says netcat, the properties say netcat1.`},
	{"FL202", "a component is configured but not in its list", `
Only what is in a1.sources, a1.channels, a1.sinks and a1.sinkgroups is started. Flume ignores the rest in silence.
Add the name to the list, or comment the lines.`},
	{"FL203", "a component has no type", `
Without a type nobody can say what the component is. Flume drops it: "Component has no type".
agent list sources, channels, sinks and interceptors    show what there is.`},
	{"FL204", "a channel is not declared", `
A source's channels and a sink's channel must be in the agent's list of channels. Flume leaves an unknown one out
in silence, and drops a source or sink that has no other.`},
	{"FL205", "channel and channels are mixed up", `
A source feeds one or several channels, and the property is channels. A sink takes from exactly one, and the
property is channel. Flume does not know the other word and drops the component.
    a1.sources.r1.channels = c1 c2
    a1.sinks.k1.channel = c1`},
	{"FL206", "a sink has several channels", `
A sink takes from exactly one channel. To drain two into the same place, configure two sinks.`},
	{"FL207", "a source has no channels", `
Events must go somewhere: add channels = ... to the source. Flume drops the source.`},
	{"FL208", "a sink has no channel", `
A sink drains exactly one channel; without one it has nothing to do. Flume drops the sink.
    a1.sinks.k1.channel = c1`},
	{"FL209", "a source has more than 64 channels", `
The most that one source can feed is 64. To go beyond, read the input once into a Kafka topic, and that by several
sources.`},
	{"FL210", "unknown type", `
The type is neither a name that this agent knows nor one of Flume's Java class names. Names are matched in any case.
Flume ends with "Unable to load source type" and status 0. agent list shows every type. A class of your own cannot
be loaded: keep that part on Flume, and connect the two by a Kafka topic.`},
	{"FL211", "a type that this agent does not have", `
Flume has the type, and this agent has not, most often because it needs Java. The message says what to use instead.`},
	{"FL230", "a sink group names a sink that is not declared", `
The sinks of a group must be in the agent's list of sinks. Flume leaves an unknown one out in silence.`},
	{"FL231", "a sink is in two groups", `
Each sink has one runner. Flume leaves the sink in the first group and drops a group that is left with none.`},
	{"FL232", "a sink group has no sinks", `
A group is its sinks and the processor that picks among them. Flume ends with a null pointer exception.
    a1.sinkgroups.g1.sinks = k1 k2`},
	{"FL233", "a sink group has no processor that picks", `
With more than one sink something must decide who writes next:
    a1.sinkgroups.g1.processor.type = failover        the one with the highest priority that works
    a1.sinkgroups.g1.processor.type = load_balance    each in turn
Without a type, or with default, Flume removes the group, and its sinks do not run.`},
	{"FL234", "the load is balanced over one sink", `
With one sink there is nothing to balance. Flume refuses a load_balance group with fewer than two sinks and
removes it, and its sink with it. Here it runs.`},
	{"FL240", "an agent has no channels", `
Sources and sinks meet in channels. Without any, Flume marks the agent as invalid and runs idle.`},
	{"FL241", "an agent has neither sources nor sinks", `
There is nothing to run: the lists are empty or missing. Flume marks the agent as invalid and runs idle.`},
	{"FL242", "nothing is connected to a channel", `
No source puts into it and no sink takes from it. Flume removes it. Most often a source or a sink names another
channel by mistake.`},
	{"FL243", "no sink drains a channel", `
Events are put and never taken: when the channel is full its sources stop accepting, those that feed other channels
as well. If events of that kind are to be thrown away, say so with a sink of type null.`},

	{"FL301", "unknown property", `
The component has no property of that name, so the line has no effect; Flume accepts it without a word. Names are
case-sensitive. agent list source netcat shows the properties of a type.`},
	{"FL302", "a property is given twice", `
The same key stands in the file twice, with two values. The later one counts, as in Java.`},
	{"FL303", "a property is given twice with the same value", `
The second line changes nothing now. It will surprise whoever edits only the first, as the later one counts.`},
	{"FL310", "a deprecated property name", `
The old name still works, as it does in Flume. Where old and new are both given, the new one counts. The message
names the new one.`},

	{"FL401", "a required property is missing", `
The component cannot run without it. Flume drops the component and starts the rest.`},
	{"FL402", "not a number", `
Numbers are written with digits only: no 10k, 1_000, 1,000 or 0x10, and no comment behind them, as a # inside a line
is part of the value. Flume drops the component, or, for a memory channel, takes the default.`},
	{"FL403", "a number is out of range", `
The message gives the range. Flume drops the component, takes another value with a warning, or fails later, when the
number is used.`},
	{"FL404", "not one of the allowed values", `
The message lists what is allowed; upper and lower case do not matter. Flume drops the component, or takes the
default in silence.`},
	{"FL405", "neither true nor false", `
Flume reads anything but true, in any case, as false: yes, on and 1 as well. As that is hardly ever what was meant,
it is refused here.`},
	{"FL406", "not a duration", `
A bare number counts in the unit that the property has in Flume. A number with ms, s, m, h or d is read as well:
30s, 1h30m.`},
	{"FL407", "a value cannot be read", `
The value has a form of its own, such as an address, a pattern or a list of pairs; the message says what is wrong
with it.`},
	{"FL408", "values do not fit together", `
Each value is right by itself, but not with the others of the component, or with those of another one. Flume drops the
component, or runs and loses data.`},
	{"FL410", "a batch is larger than the channel's transaction", `
A source puts, and a sink takes, up to a batch of events in one transaction; a channel has a limit for it, its
transactionCapacity. Flume 1.9 and later remove the source or sink at start. Here it runs with the smaller number.
Raise transactionCapacity, for a memory channel up to its capacity, or lower the batch.`},
	{"FL420", "a path needs a timestamp that nobody sets", `
Escapes such as %Y-%m-%d are filled in from the event's timestamp header. If no source or interceptor sets one, every
event fails, and is tried again for ever.
    a1.sinks.k1.hdfs.useLocalTimeStamp = true       the time of writing
    a1.sources.r1.interceptors = i1
    a1.sources.r1.interceptors.i1.type = timestamp  the time of receiving`},
	{"FL430", "files will be many and small", `
HDFS keeps every file and block in the memory of its namenode, and what reads the files pays for each. Flume's defaults
close a file after 30 seconds, 1024 bytes or 10 events, whichever comes first.
    a1.sinks.k1.hdfs.rollSize = 134217728
    a1.sinks.k1.hdfs.rollCount = 0
    a1.sinks.k1.hdfs.rollInterval = 3600`},

	{"FL501", "an exec source cannot replay", `
The output of a command is read once. What it prints while the agent is down, or while the channel is full, is lost,
and tail -F starts at the end again. A taildir source keeps the position in each file and goes on where it stopped:
    a1.sources.r1.type = TAILDIR
    a1.sources.r1.filegroups = f1
    a1.sources.r1.filegroups.f1 = /var/log/nginx/access\\.log
The file's name is a regular expression: a dot in it is written with two backslashes, one of which is the file format's.`},
	{"FL520", "a secret stands in the file in clear text", `
Whoever may read the file, a backup of it or its repository has the secret. Look it up instead:
    ${file:UTF-8:/etc/goflume/secrets/twitter}    a file of its own, readable by the agent alone
    ${env:TWITTER_SECRET}                         the environment
    ${cred:twitter}                               systemd's LoadCredential, or --secrets-dir
    ${f1['twitter']}                              a config filter of Flume
Secrets are shown as ******** in messages, status and logs.`},
	{"FL521", "others may read a file with secrets", `
The configuration holds a secret in clear text, and its rights let every user of the machine read it: chmod 640.`},

	{"FL601", "a component could not work now", `
With validate --probe: what the component needs outside of the program is not there. A server does not answer, a port is
taken, a directory cannot be used, a program is missing. The configuration itself is in order, and run would start the
agent: the component would stay in BACKOFF and try again. Where the agent runs already, its own ports and file channels
are in use by it.`},
	{"FL602", "a component found what it needs", `
With validate --probe and --format json: what was found, such as the servers that answer and the topics that are there.`},
	{"FL610", "a source cannot listen", `
The address or the port is taken, or may not be used. The source stays in BACKOFF and tries again; everything else
runs. If Flume still runs on this machine, stop it first.`},
}

func init() {
	for i := range codes {
		codes[i].Text = strings.TrimPrefix(codes[i].Text, "\n")
	}
}

// ExitCode is the status that a process ends with for the errors among the issues: 66 for a file that cannot be read, 64
// if only an agent's name is missing, 77 if only secrets may not be read, 69 if only a probe failed, else 78; 0 if there is no error.
func ExitCode(issues []Issue) int {
	status := 0
	for _, is := range issues {
		if is.Severity != Error {
			continue
		}
		switch s := exitCodes[is.Code]; {
		case s == 66:
			return s
		case s == 0 || status != 0 && status != s:
			status = 78
		default:
			status = s
		}
	}
	return status
}

var exitCodes = map[string]int{codeNoFile: 66, codeWhichAgent: 64, codeDenied: 77, codeProbe: 69}
