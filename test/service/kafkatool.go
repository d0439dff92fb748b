package service

import "strings"

// KafkaTool returns the command line of one of Kafka's own command-line tools, by its Java class, such as
// org.apache.kafka.tools.ConsoleProducer. Standard output has the tool's data alone.
func KafkaTool(class string, args ...string) ([]string, error) {
	jars, err := Set("kafka").Jars()
	if err != nil {
		return nil, err
	}
	argv := []string{"java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
		"-Djava.net.preferIPv4Stack=true", "-Dorg.apache.logging.log4j.level=OFF", "-cp", strings.Join(jars, ":"), class}
	return append(argv, args...), nil
}
