// Axon Framework's JDBC event store as its reference guide sets it up, with Jackson and a pool of connections.
// Answers one JSON object a line, like the programs of the other peers.

import com.fasterxml.jackson.databind.ObjectMapper;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import org.axonframework.common.jdbc.DataSourceConnectionProvider;
import org.axonframework.common.jdbc.UnitOfWorkAwareConnectionProviderWrapper;
import org.axonframework.common.transaction.NoTransactionManager;
import org.axonframework.eventhandling.DomainEventMessage;
import org.axonframework.eventhandling.GenericDomainEventMessage;
import org.axonframework.eventhandling.TrackedEventMessage;
import org.axonframework.eventsourcing.eventstore.EmbeddedEventStore;
import org.axonframework.eventsourcing.eventstore.jdbc.JdbcEventStorageEngine;
import org.axonframework.eventsourcing.eventstore.jdbc.PostgresEventTableFactory;
import org.axonframework.messaging.unitofwork.DefaultUnitOfWork;
import org.axonframework.serialization.json.JacksonSerializer;

public class Axon {

    public record OrderPlaced(Map<String, Object> order) {}

    static final int FILL_COMMIT = 100;
    static final long QUIET_MS = 3000;
    static final long PATIENCE_MS = 5000;

    static class Missing extends Exception {
        Missing(String reason) {
            super(reason);
        }
    }

    final HikariDataSource pool;
    final JdbcEventStorageEngine engine;
    final EmbeddedEventStore store;
    final OrderPlaced sample;
    final AtomicLong number = new AtomicLong();
    final Map<Integer, String> streams = new HashMap<>();

    Axon(Map<String, Object> given) {
        var config = new HikariConfig();
        config.setJdbcUrl((String) given.get("url"));
        config.setUsername((String) given.get("user"));
        config.setPassword((String) given.get("password"));
        config.setMaximumPoolSize(((Number) given.get("connections")).intValue());
        pool = new HikariDataSource(config);
        var serializer = JacksonSerializer.defaultSerializer();
        engine = JdbcEventStorageEngine.builder()
            .connectionProvider(new UnitOfWorkAwareConnectionProviderWrapper(new DataSourceConnectionProvider(pool)))
            .transactionManager(NoTransactionManager.INSTANCE) // the unit of work commits its connection
            .eventSerializer(serializer)
            .snapshotSerializer(serializer)
            .build();
        engine.createSchema(PostgresEventTableFactory.INSTANCE);
        store = EmbeddedEventStore.builder().storageEngine(engine).build();
        @SuppressWarnings("unchecked")
        var order = (Map<String, Object>) given.get("sample");
        sample = new OrderPlaced(order);
    }

    String newStream() {
        return "order-" + number.incrementAndGet();
    }

    void append(String stream, int first, int events) {
        var messages = new ArrayList<DomainEventMessage<?>>(events);
        for (int n = 0; n < events; n++) {
            messages.add(new GenericDomainEventMessage<>("Order", stream, first + n, sample));
        }
        var work = DefaultUnitOfWork.startAndGet(null);
        store.publish(messages);
        work.commit();
    }

    Map<String, Object> append(int callers, int perCommit, double seconds) throws Exception {
        var began = System.nanoTime();
        var end = began + (long) (seconds * 1e9);
        var all = inThreads(callers, () -> {
            var latencies = new ArrayList<Double>();
            for (long asked = System.nanoTime(); asked < end; asked = System.nanoTime()) {
                append(newStream(), 0, perCommit);
                latencies.add((System.nanoTime() - asked) / 1e6);
            }
            return latencies;
        });
        var took = (System.nanoTime() - began) / 1e9;
        var latencies = all.stream().flatMap(List::stream).toList();
        var answer = percentiles(latencies);
        answer.put("events", latencies.size() * perCommit);
        answer.put("seconds", took);
        return answer;
    }

    void fill(List<Integer> lengths) {
        for (int length : lengths) {
            streams.put(length, newStream());
            for (int first = 0; first < length; first += FILL_COMMIT) {
                append(streams.get(length), first, Math.min(FILL_COMMIT, length - first));
            }
        }
    }

    Map<String, Object> load(int length, int times) throws Missing {
        var took = new ArrayList<Double>();
        for (int turn = 0; turn < times; turn++) {
            var began = System.nanoTime();
            var read = store.readEvents(streams.get(length)).asStream().filter(told -> told.getPayload() != null).count();
            took.add((System.nanoTime() - began) / 1e6);
            if (read != length) {
                throw new Missing("it read " + read + " of " + length + " events");
            }
        }
        return percentiles(took);
    }

    Map<String, Object> readAll() {
        var began = System.nanoTime();
        long events;
        try (var all = engine.readEvents(null, false)) {
            events = all.filter(told -> told.getPayload() != null).count();
        }
        return new HashMap<>(Map.of("events", events, "seconds", (System.nanoTime() - began) / 1e9));
    }

    interface During {
        void run() throws Exception;
    }

    /** What an event processor does: a stream of its own from the head on. */
    void following(Consumer<TrackedEventMessage<?>> seen, During during) throws Exception {
        var stream = store.openStream(engine.createHeadToken());
        var reading = new Thread(() -> {
            try {
                while (true) {
                    seen.accept(stream.nextAvailable());
                }
            } catch (InterruptedException stopped) {
                stream.close();
            }
        });
        reading.setDaemon(true);
        reading.start();
        try {
            during.run();
        } finally {
            reading.interrupt();
            reading.join(5000);
        }
    }

    static String streamOf(TrackedEventMessage<?> told) {
        return ((DomainEventMessage<?>) told).getAggregateIdentifier();
    }

    Map<String, Object> live(int events, double seconds) throws Exception {
        var times = new ConcurrentHashMap<String, Long>();
        var delays = new ArrayList<Double>();
        var end = System.nanoTime() + (long) (seconds * 1e9);
        following(told -> times.put(streamOf(told), System.nanoTime()), () -> {
            while (delays.size() < events && System.nanoTime() < end) {
                var stream = newStream();
                append(stream, 0, 1);
                var answered = System.nanoTime();
                while (!times.containsKey(stream)) {
                    if (System.nanoTime() > answered + PATIENCE_MS * 1_000_000) {
                        throw new Missing("an event did not reach the reader within 5 s");
                    }
                    TimeUnit.MICROSECONDS.sleep(100);
                }
                delays.add(Math.max(0, (times.get(stream) - answered) / 1e6));
                Thread.sleep(5);
            }
        });
        return percentiles(delays);
    }

    Map<String, Object> race(int writers, double seconds) throws Exception {
        Set<String> seen = ConcurrentHashMap.newKeySet();
        Set<String> written = ConcurrentHashMap.newKeySet();
        following(told -> seen.add(streamOf(told)), () -> {
            var end = System.nanoTime() + (long) (seconds * 1e9);
            inThreads(writers, () -> {
                while (System.nanoTime() < end) {
                    var stream = newStream();
                    append(stream, 0, 1);
                    written.add(stream);
                }
                return null;
            });
            var known = -1;
            for (long since = System.nanoTime(); !seen.containsAll(written); Thread.sleep(5)) {
                if (seen.size() != known) {
                    known = seen.size();
                    since = System.nanoTime();
                } else if (System.nanoTime() - since > QUIET_MS * 1_000_000) {
                    break;
                }
            }
        });
        var count = written.size();
        written.removeAll(seen);
        return new HashMap<>(Map.of("written", count, "lost", written.size()));
    }

    static <T> List<T> inThreads(int threads, Callable<T> work) throws Exception {
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            var results = new ArrayList<T>();
            var asked = new ArrayList<Callable<T>>();
            for (int n = 0; n < threads; n++) {
                asked.add(work);
            }
            for (Future<T> done : executor.invokeAll(asked)) {
                results.add(done.get());
            }
            return results;
        } finally {
            executor.shutdown();
        }
    }

    static Map<String, Object> percentiles(List<Double> values) throws Missing {
        if (values.isEmpty()) {
            throw new Missing("nothing was finished in the time");
        }
        var ordered = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        var answer = new HashMap<String, Object>();
        answer.put("p50_ms", ordered[Math.min(ordered.length - 1, (int) (ordered.length * 0.5))]);
        answer.put("p99_ms", ordered[Math.min(ordered.length - 1, (int) (ordered.length * 0.99))]);
        return answer;
    }

    Map<String, Object> answer(Map<String, Object> asked) throws Exception {
        var seconds = ((Number) asked.getOrDefault("seconds", 0)).doubleValue();
        switch ((String) asked.get("op")) {
            case "append":
                return append((int) asked.get("callers"), (int) asked.get("per_commit"), seconds);
            case "fill":
                @SuppressWarnings("unchecked")
                var lengths = (List<Integer>) asked.get("lengths");
                fill(lengths);
                return Map.of();
            case "load":
                return load((int) asked.get("length"), (int) asked.get("times"));
            case "read_all":
                return readAll();
            case "live":
                return live((int) asked.get("events"), seconds);
            case "race":
                return race((int) asked.get("writers"), seconds);
            default:
                throw new Missing("there is no such operation");
        }
    }

    public static void main(String[] arguments) throws Exception {
        PrintStream answers = System.out;
        System.setOut(System.err); // what a library prints must not be taken for an answer
        var json = new ObjectMapper();
        Axon axon = null;
        var asked = new BufferedReader(new InputStreamReader(System.in));
        for (String line = asked.readLine(); line != null; line = asked.readLine()) {
            Map<String, Object> answer;
            try {
                @SuppressWarnings("unchecked")
                Map<String, Object> request = json.readValue(line, Map.class);
                if (axon == null) {
                    axon = new Axon(request);
                    answer = Map.of("versions", Map.of("java", System.getProperty("java.version")));
                } else {
                    answer = axon.answer(request);
                }
            } catch (Missing missing) {
                answer = Map.of("missing", missing.getMessage());
            } catch (Exception | LinkageError error) {
                error.printStackTrace();
                answer = Map.of("missing", "it failed: " + error);
            }
            answers.println(json.writeValueAsString(answer));
            answers.flush();
        }
        System.exit(0);
    }
}
