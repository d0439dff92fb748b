package service

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// Kafka is a cluster of brokers that are controllers too, without ZooKeeper. Topics are made on first use, with
// three partitions and as many replicas as there are brokers.
type Kafka struct {
	// Brokers is how many there are, 1 when zero. Of three, one can be lost.
	Brokers int
	// Secure adds listeners with SASL (PLAIN: alice, alice-secret; SCRAM-SHA-256 and -512: bob, bob-secret), with
	// TLS, with both, with TLS that asks for the client's certificate, and with OAUTHBEARER, where a client has to show a
	// new token every 4 s (OAuthToken).
	Secure bool
	// Kerberos adds a listener with GSSAPI, on localhost, and a centre that knows the user flume.
	Kerberos bool
	// Properties are added to server.properties.
	Properties map[string]string
}

// KafkaCluster is a running Kafka.
type KafkaCluster struct {
	Brokers []*Process
	Certs   Certs // when secure
	// Kerberos is nil without.
	Kerberos *KerberosServer

	listeners []map[string]int // of each broker, name to port
}

var _ Config[*KafkaCluster] = Kafka{}

// Name is kafka.
func (Kafka) Name() string { return "kafka" }

// Needs is Kafka with its tools, and Kerberos where it is asked for.
func (c Kafka) Needs() []Set {
	if c.Kerberos {
		return append([]Set{"kafka"}, Kerberos{}.Needs()...)
	}
	return []Set{"kafka"}
}

const kafkaLog4j = `status = warn
appender.c.type = Console
appender.c.name = C
appender.c.layout.type = PatternLayout
appender.c.layout.pattern = %d{ISO8601} %-5p %m (%c)%n
rootLogger.level = info
rootLogger.appenderRef.c.ref = C
`

// Start formats the brokers' directories, starts them and waits until a topic with a replica on each has a leader.
func (c Kafka) Start(ctx context.Context, r *Run) (*KafkaCluster, error) {
	k := &KafkaCluster{}
	if c.Secure {
		var err error
		if k.Certs, err = r.certificates(); err != nil {
			return nil, err
		}
	}
	if c.Kerberos {
		var err error
		if k.Kerberos, err = (Kerberos{Principals: []string{"kafka/localhost"}}).Start(ctx, r); err != nil {
			return nil, err
		}
		r.javaFlags = append(r.javaFlags, "-Djava.security.krb5.conf="+k.Kerberos.Krb5Conf)
	}
	if _, err := r.WriteFile("conf/log4j2.properties", kafkaLog4j); err != nil {
		return nil, err
	}
	brokers := max(c.Brokers, 1)
	clientListeners := []string{plainListener}
	if c.Secure {
		clientListeners = append(clientListeners, saslListener, tlsListener, saslTLSListener, mutualListener, oauthListener)
	}
	if c.Kerberos {
		clientListeners = append(clientListeners, kerberosListener)
	}
	for range brokers {
		ports := map[string]int{"CONTROLLER": r.Port()}
		for _, name := range clientListeners {
			ports[name] = r.Port()
		}
		k.listeners = append(k.listeners, ports)
	}
	for i := range brokers {
		if _, err := r.WriteFile(serverProperties(i), k.properties(i, c, r, clientListeners)); err != nil {
			return nil, err
		}
	}
	if err := c.format(ctx, r, brokers); err != nil {
		return nil, err
	}
	for i := range brokers {
		argv, err := r.java("kafka", 256, "kafka.Kafka", filepath.Join(r.Dir, serverProperties(i)))
		if err != nil {
			return nil, err
		}
		p, err := r.Start(Command{Name: "broker" + strconv.Itoa(i), Argv: argv})
		if err != nil {
			return nil, err
		}
		k.Brokers = append(k.Brokers, p)
	}
	return k, k.AwaitBrokers(ctx, brokers)
}

func serverProperties(broker int) string { return fmt.Sprintf("conf/server%d.properties", broker) }

// properties are broker i's, with low costs and short time-outs.
func (k *KafkaCluster) properties(i int, c Kafka, r *Run, clientListeners []string) string {
	brokers := len(k.listeners)
	replicas, inSync := strconv.Itoa(min(brokers, 3)), strconv.Itoa(min(brokers, 2))
	var voters, listeners, advertised []string
	for n, ports := range k.listeners {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", n+1, ports["CONTROLLER"]))
	}
	for _, name := range clientListeners {
		at := fmt.Sprintf("%s://%s:%d", name, listenerHost(name), k.listeners[i][name])
		listeners, advertised = append(listeners, at), append(advertised, at)
	}
	listeners = append(listeners, fmt.Sprintf("CONTROLLER://127.0.0.1:%d", k.listeners[i]["CONTROLLER"]))
	all := map[string]string{
		"process.roles": "broker,controller", "node.id": strconv.Itoa(i + 1), "controller.quorum.voters": strings.Join(voters, ","),
		"listeners": strings.Join(listeners, ","), "advertised.listeners": strings.Join(advertised, ","),
		"listener.security.protocol.map": protocolMap,
		"inter.broker.listener.name":     plainListener, "controller.listener.names": "CONTROLLER",
		"log.dirs": filepath.Join(r.Dir, "data"+strconv.Itoa(i)), "num.partitions": "3", "auto.create.topics.enable": "true",
		"default.replication.factor": replicas, "min.insync.replicas": inSync,
		"offsets.topic.replication.factor": replicas, "offsets.topic.num.partitions": "3",
		"transaction.state.log.replication.factor": replicas, "transaction.state.log.min.isr": inSync, "transaction.state.log.num.partitions": "3",
		"share.coordinator.state.topic.replication.factor": replicas, "share.coordinator.state.topic.min.isr": inSync,
		"group.initial.rebalance.delay.ms": "0", "log.cleaner.dedupe.buffer.size": "16777216", "log.segment.bytes": "67108864",
		"num.network.threads": "2", "num.io.threads": "2", "background.threads": "2",
		"broker.session.timeout.ms": "6000", "broker.heartbeat.interval.ms": "1000", "replica.lag.time.max.ms": "10000",
	}
	if c.Secure {
		maps.Copy(all, k.secureProperties())
	}
	if k.Kerberos != nil {
		maps.Copy(all, kerberosProperties(k.Kerberos))
	}
	maps.Copy(all, c.Properties)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s=%s\n", name, all[name])
	}
	return b.String()
}

// format prepares the first broker's directory with Kafka's tool, which costs a JVM, and the others' from it.
func (c Kafka) format(ctx context.Context, r *Run, brokers int) error {
	id := make([]byte, 16)
	rand.Read(id)
	id[0] &= 0x7f // an id that starts with a dash would look like an option
	cluster := base64.RawURLEncoding.EncodeToString(id)
	args := []string{"format", "-t", cluster, "-c", filepath.Join(r.Dir, serverProperties(0))}
	if c.Secure {
		args = append(args, "--add-scram", "SCRAM-SHA-256=[name=bob,password=bob-secret]",
			"--add-scram", "SCRAM-SHA-512=[name=bob,password=bob-secret]")
	}
	argv, err := r.java("kafka", 128, "kafka.tools.StorageTool", args...)
	if err != nil {
		return err
	}
	if _, err := r.Tool(ctx, Command{Name: "format", Argv: argv}); err != nil {
		return err
	}
	const bootstrap = "bootstrap.checkpoint" // the cluster's first metadata, users included
	text, err := os.ReadFile(filepath.Join(r.Dir, "data0", bootstrap))
	if err != nil {
		return err
	}
	for i := 1; i < brokers; i++ {
		data := "data" + strconv.Itoa(i)
		if _, err := r.WriteFile(filepath.Join(data, bootstrap), string(text)); err != nil {
			return err
		}
		meta := fmt.Sprintf("version=1\ncluster.id=%s\nnode.id=%d\n", cluster, i+1)
		if _, err := r.WriteFile(filepath.Join(data, "meta.properties"), meta); err != nil {
			return err
		}
	}
	return nil
}

// Bootstrap is Addrs as one comma-separated string, as flume.conf wants it.
func (k *KafkaCluster) Bootstrap() string { return strings.Join(k.Addrs(), ",") }

// AwaitBrokers waits until n brokers are in the cluster and a new topic with a replica on each has a leader.
func (k *KafkaCluster) AwaitBrokers(ctx context.Context, n int) error {
	config := sarama.NewConfig()
	config.ClientID = "goflume-test"
	config.Net.DialTimeout, config.Net.ReadTimeout = time.Second, 3*time.Second
	config.Metadata.Retry.Max, config.Metadata.Timeout = 0, 3*time.Second
	config.Admin.Timeout = 3 * time.Second
	var running []*Process
	for _, p := range k.Brokers {
		if p.Running() {
			running = append(running, p)
		}
	}
	topic := fmt.Sprintf("ready-%d", time.Now().UnixNano())
	return Await(ctx, fmt.Sprintf("%d brokers", n), func(context.Context) error {
		client, err := sarama.NewClient(k.Addrs(), config)
		if err != nil {
			return err
		}
		admin, err := sarama.NewClusterAdminFromClient(client)
		if err != nil {
			client.Close()
			return err
		}
		defer admin.Close()
		members, _, err := admin.DescribeCluster()
		if err != nil {
			return err
		}
		if len(members) != n {
			return fmt.Errorf("%d brokers are in the cluster", len(members))
		}
		// A try that was answered late may have made the topic: then its leader is all that matters.
		created := admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: int16(n)}, false)
		if err := client.RefreshMetadata(topic); err != nil {
			return fmt.Errorf("new topic: %w (its creation: %v)", err, created)
		}
		if _, err := client.Leader(topic, 0); err != nil {
			return fmt.Errorf("new topic: %w", err)
		}
		return admin.DeleteTopic(topic)
	}, running...)
}
