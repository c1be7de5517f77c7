import Synchronization

/// Counts of requests by listener, route pattern and status class, for `/metrics`.
final class RequestMetrics: Sendable {
    struct Key: Hashable {
        let listener: String
        let route: String
        let status: Int
    }

    struct Value {
        var count: Int64 = 0
        var seconds: Double = 0
    }

    private let values = Mutex<[Key: Value]>([:])
    private let blobBytes = Mutex<[String: Int64]>([:])
    private let uploadBytes = Mutex<[String: Int64]>([:])

    /// Adds bytes of a blob that went out.
    func sent(_ bytes: Int, listener: String) { blobBytes.withLock { $0[listener, default: 0] += Int64(bytes) } }

    /// Adds bytes of a blob that came in, whether or not its upload is ever finished.
    func received(_ bytes: Int, listener: String) {
        uploadBytes.withLock { $0[listener, default: 0] += Int64(bytes) }
    }

    /// Adds one answered request. Routes are patterns, so that the number of series is bounded.
    func record(listener: String, route: String, status: Int, duration: Duration) {
        values.withLock {
            let key = Key(listener: listener, route: route, status: status)
            $0[key, default: Value()].count += 1
            $0[key, default: Value()].seconds += duration.milliseconds / 1000
        }
    }

    /// The series in Prometheus' text form.
    func exposition() -> String {
        let series = values.withLock { $0 }.sorted {
            ($0.key.listener, $0.key.route, $0.key.status) < ($1.key.listener, $1.key.route, $1.key.status)
        }
        var text = "# HELP martlet_registry_requests_total Requests answered.\n"
        text += "# TYPE martlet_registry_requests_total counter\n"
        for (key, value) in series {
            text += "martlet_registry_requests_total{\(Self.labels(key))} \(value.count)\n"
        }
        text += "# HELP martlet_registry_request_seconds_total Time from request to the start of the answer.\n"
        text += "# TYPE martlet_registry_request_seconds_total counter\n"
        for (key, value) in series {
            text += "martlet_registry_request_seconds_total{\(Self.labels(key))} \(value.seconds)\n"
        }
        text += Self.counter("blob_bytes_sent", "Bytes of blobs that went out.", blobBytes.withLock { $0 })
        text += Self.counter("blob_bytes_received", "Bytes of blobs that came in.", uploadBytes.withLock { $0 })
        return text
    }

    private static func counter(_ name: String, _ help: String, _ values: [String: Int64]) -> String {
        let full = "martlet_registry_\(name)_total"
        let lines = values.sorted { $0.key < $1.key }.map { "\(full){listener=\"\($0.key)\"} \($0.value)\n" }
        return "# HELP \(full) \(help)\n# TYPE \(full) counter\n" + lines.joined()
    }

    private static func labels(_ key: Key) -> String {
        "listener=\"\(key.listener)\",route=\"\(key.route)\",status=\"\(key.status)\""
    }
}
