import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.ingest.common.IngestCommonPlugin;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** Runs one node in this process: java -cp JARS OpenSearch.java HOME KEY=VALUE... */
public class OpenSearch extends Node {
    OpenSearch(Environment environment) {
        super(environment, List.of(Netty4Plugin.class, IngestCommonPlugin.class), false);
    }

    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]);
        Path config = Files.createDirectories(home.resolve("config"));
        Files.createDirectories(home.resolve("logs"));
        Settings.Builder settings = Settings.builder().put("path.home", home.toString()).put("path.data", home.resolve("data").toString());
        for (int i = 1; i < args.length; i++) {
            int equals = args[i].indexOf('=');
            settings.put(args[i].substring(0, equals), args[i].substring(equals + 1));
        }
        OpenSearch node = new OpenSearch(new Environment(settings.build(), config));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        node.start();
        Thread.currentThread().join();
    }
}
