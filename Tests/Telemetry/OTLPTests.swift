import MartletTypes
import Telemetry
import Testing

@Suite("OTLP documents")
struct OTLPTests {
    static let start = Timestamp(seconds: 1_795_000_020)

    static func interval(_ generation: Int = 7, slot: String = "triage", offset: Int64 = 0) throws -> GatewayInterval {
        let release = try ReleaseLabel([
            (path: ReleasePath("clinic/triage/2.0.0"), digest: Digest.of(Array("x".utf8)))
        ])
        var interval = try GatewayInterval(
            slot: SlotName(slot), generation: generation, release: release,
            start: Timestamp(seconds: start.seconds + offset), end: Timestamp(seconds: start.seconds + offset + 15))
        interval.requests = 10
        interval.refused = 2
        interval.cutStreams = 1
        interval.countError("engine_gone")
        interval.countError("500")
        for value in [0.1, 0.2, 0.4] { interval.duration.record(value) }
        for value in [0.01, 0.02] { interval.timeToFirstToken.record(value) }
        for value in [0.04, 0.05, 0.06] { interval.timePerOutputToken.record(value) }
        for value in [24.0, 26] { interval.inputTokens.record(value) }
        for value in [4.0, 5] { interval.outputTokens.record(value) }
        return interval
    }

    static func export(_ intervals: [GatewayInterval], samples: [SystemSample] = []) throws -> OTLP.MetricsRequest {
        try OTLP.MetricsRequest(
            device: DeviceID("box-1"), agentVersion: "1.0.0", profile: "generic-x86", intervals: intervals,
            samples: samples)
    }

    @Test("an export comes back as it was written")
    func roundTrip() throws {
        var sample = SystemSample(time: Self.start)
        sample.cpu = 0.25
        sample.memoryUsed = .mebibytes(512)
        let export = try Self.export([Self.interval(), Self.interval(8)], samples: [sample])
        #expect(try OTLP.MetricsRequest(json: export.json()) == export)
    }

    @Test("the JSON has OTLP's shape: integers of 64 bits as strings, names in lowerCamelCase")
    func shape() throws {
        let value = try JSONValue(parsing: Self.export([Self.interval()]).json())
        let metrics = try #require(
            value["resourceMetrics"]?.array?.first?["scopeMetrics"]?.array?.first?["metrics"]?.array)
        let named = Dictionary(
            uniqueKeysWithValues: metrics.compactMap { metric in metric["name"]?.string.map { ($0, metric) } })
        let sum = try #require(named["martlet.gateway.requests"]?["sum"])
        #expect(sum["aggregationTemporality"]?.integer == 1)
        #expect(sum["isMonotonic"]?.bool == true)
        let point = try #require(sum["dataPoints"]?.array?.first)
        #expect(point["asInt"]?.string == "10")
        #expect(point["timeUnixNano"]?.string == "1795000035000000000")
        #expect(point["startTimeUnixNano"]?.string == "1795000020000000000")
        let attributes = try #require(point["attributes"]?.array)
        #expect(attributes.first?["key"]?.string == "martlet.slot")
        #expect(attributes.first?["value"]?["stringValue"]?.string == "triage")
        #expect(attributes[1]["value"]?["intValue"]?.string == "7")
        let duration = try #require(named["gen_ai.server.request.duration"])
        #expect(duration["unit"]?.string == "s")
        let bucket = try #require(duration["exponentialHistogram"]?["dataPoints"]?.array?.first)
        #expect(bucket["count"]?.string == "3")
        #expect(bucket["scale"]?.integer ?? 0 >= 4)
        #expect(bucket["positive"]?["bucketCounts"]?.array?.allSatisfy { $0.string != nil } == true)
        #expect(named["martlet.gateway.errors"]?["sum"]?["dataPoints"]?.array?.count == 2)
        #expect(named["gen_ai.client.token.usage"]?["exponentialHistogram"]?["dataPoints"]?.array?.count == 2)
    }

    @Test("unknown fields and absent defaults are taken, integers as numbers too")
    func lenient() throws {
        let text = """
            {"later":1,"resourceMetrics":[{"resource":{"droppedAttributesCount":3},"scopeMetrics":[{"metrics":[
            {"name":"martlet.gateway.requests","metadata":[],"sum":{"dataPoints":[{"asInt":4,
            "timeUnixNano":1795000035000000000,
            "attributes":[{"key":"martlet.slot","value":{"stringValue":"a"}},
            {"key":"martlet.generation","value":{"intValue":2}},
            {"key":"odd","value":{"arrayValue":{"values":[]}}}],"exemplars":[]}]}},
            {"name":"gen_ai.server.request.duration","exponentialHistogram":{"dataPoints":[{}]}},
            {"name":"x","summary":{"dataPoints":[]}}]}]},{}]}
            """
        let rows = TelemetryRollup.rows(of: try OTLP.MetricsRequest(json: Array(text.utf8)))
        #expect(rows.count == 1)
        #expect(rows.first?.requests == 4)
        #expect(rows.first?.key.generation == 2)
    }

    /// A document with one metric of these points.
    private static func sums(_ points: String) -> String {
        #"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a","sum":{"dataPoints":[\#(points)]}}]}]}]}"#
    }

    @Test(
        "what is no OTLP document is refused by name",
        arguments: [
            "", "[]", "{", "{\"resourceMetrics\":3}",
            "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":4}]}]}]}",
            sums(#"{"asInt":"x"}"#),
            String(repeating: "[", count: 5000),
        ])
    func malformed(text: String) {
        let error = #expect(throws: TelemetryError.self) { try OTLP.MetricsRequest(json: Array(text.utf8)) }
        #expect(error?.code == "invalidDocument")
    }

    @Test("more points than the bound are refused")
    func tooMany() throws {
        let point = "{\"asInt\":\"1\"}"
        let points = Array(repeating: point, count: TelemetryLimits.pointsPerRequest + 1).joined(separator: ",")
        let text =
            Self.sums(points)
        let error = #expect(throws: TelemetryError.self) { try OTLP.MetricsRequest(json: Array(text.utf8)) }
        #expect(error?.code == "tooManyPoints")
    }

    @Test("explicit buckets of the conventions are derived from exponential ones")
    func explicit() throws {
        let interval = try Self.interval()
        let point = OTLP.HistogramPoint(
            [], OTLP.Span(end: interval.end), interval.duration, bounds: GenAIBuckets.requestDuration)
        #expect(point.bucketCounts.count == point.explicitBounds.count + 1)
        #expect(point.bucketCounts.map(\.value).reduce(0, +) == 3)
        #expect(point.count.value == 3)
    }

    @Test("a stored histogram comes back, a broken one does not")
    func storedHistogram() throws {
        let histogram = try Self.interval().duration
        #expect(try JSONText.decode(ExponentialHistogram.self, from: JSONText.encode(histogram)) == histogram)
        let broken = Array(#"{"s":99,"o":0,"b":[1],"z":0,"sum":1}"#.utf8)
        #expect(throws: DecodingError.self) { try JSONText.decode(ExponentialHistogram.self, from: broken) }
    }
}

@Suite("Roll-ups")
struct RollupTests {
    @Test("intervals of one minute become one row, whatever export they came in")
    func rows() throws {
        let first = try OTLPTests.export([OTLPTests.interval(), OTLPTests.interval(8)])
        let second = try OTLPTests.export([OTLPTests.interval(offset: 15), OTLPTests.interval(offset: 60)])
        var rows = TelemetryRollup.rows(of: first)
        #expect(rows.map(\.key.generation) == [7, 8])
        for row in TelemetryRollup.rows(of: second) {
            if let index = rows.firstIndex(where: { $0.key == row.key }) {
                rows[index].merge(row)
            } else {
                rows.append(row)
            }
        }
        #expect(rows.count == 3)
        let row = rows[0]
        #expect(row.key.minute.seconds % 60 == 0)
        #expect(row.requests == 20 && row.errors == 4 && row.refused == 4 && row.cutStreams == 2)
        #expect(row.inputTokens == 100 && row.outputTokens == 18)
        #expect(row.duration.count == 6)
        #expect(row.release == "clinic/triage/2.0.0" && row.profile == "generic-x86")
        #expect(row.releaseDigest?.hasPrefix("sha256:") == true)
        #expect(abs((row.p50Milliseconds ?? 0) - 200) < 10)
        #expect(row.timePerOutputToken.count == 6 && abs((row.p50OutputTokenMilliseconds ?? 0) - 50) < 3)
        #expect(row.p95Milliseconds ?? 0 > 300 && row.p95FirstTokenMilliseconds ?? 0 > 15)
    }

    @Test("samples of the box become a row of their own")
    func system() throws {
        var low = SystemSample(time: OTLPTests.start)
        low.cpu = 0.25
        low.memoryUsed = .mebibytes(100)
        low.memoryTotal = .mebibytes(1000)
        low.temperatureCelsius = 61
        var high = low
        high.cpu = 0.75
        high.memoryUsed = .mebibytes(300)
        let rows = try TelemetryRollup.rows(of: OTLPTests.export([], samples: [low, high]))
        #expect(rows.count == 1)
        #expect(rows[0].key.slot == nil)
        #expect(rows[0].cpuPercent == 75 && rows[0].memoryUsed == .mebibytes(300))
        #expect(rows[0].temperatureCelsius == 61 && rows[0].profile == "generic-x86")
    }

    @Test(
        "points that are not ours are passed over",
        arguments: [
            "{\"key\":\"martlet.slot\",\"value\":{\"stringValue\":\"../x\"}}",
            "{\"key\":\"other\",\"value\":{\"stringValue\":\"a\"}}",
            "{\"key\":\"martlet.slot\",\"value\":{\"intValue\":\"1\"}}",
        ])
    func foreign(attribute: String) throws {
        let text = """
            {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"martlet.gateway.requests","sum":{"dataPoints":[
            {"asInt":"4","attributes":[\(attribute),{"key":"martlet.generation","value":{"intValue":"1"}}]}]}}]}]}]}
            """
        #expect(TelemetryRollup.rows(of: try OTLP.MetricsRequest(json: Array(text.utf8))).isEmpty)
    }

    @Test("numbers from outside never overflow")
    func overflow() throws {
        let text = """
            {"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"martlet.gateway.requests","sum":{"dataPoints":[
            {"asInt":"9223372036854775807","attributes":[{"key":"martlet.slot","value":{"stringValue":"a"}},
            {"key":"martlet.generation","value":{"intValue":"1"}}]},
            {"asInt":"9223372036854775807","timeUnixNano":"-9223372036854775808","attributes":[
            {"key":"martlet.slot","value":{"stringValue":"a"}},{"key":"martlet.generation","value":{"intValue":"1"}}]},
            {"asInt":"5","attributes":[{"key":"martlet.slot","value":{"stringValue":"a"}},
            {"key":"martlet.generation","value":{"intValue":"1"}}]}]}}]}]}]}
            """
        let rows = TelemetryRollup.rows(of: try OTLP.MetricsRequest(json: Array(text.utf8)))
        #expect(rows.count == 2 && rows.allSatisfy { $0.requests == .max })
    }
}

@Suite("Samples of the system")
struct SystemSampleTests {
    @Test("a sample is read from the kernel's texts")
    func reading() {
        let sample = SystemSample(
            time: Timestamp(seconds: 1), stat: "cpu  200 0 100 1600 100 0 0 0 0 0\ncpu0 1 2 3 4\n",
            previousStat: "cpu  100 0 50 800 50 0 0 0 0 0\n",
            meminfo: "MemTotal:        1000 kB\nMemFree: 10 kB\nMemAvailable:     400 kB\n",
            loadavg: "0.52 0.40 0.30 1/200 1234\n", thermalZones: ["48500\n", "-273000\n", "", "51250"])
        #expect(sample.cpu == 0.15)
        #expect(sample.memoryTotal == ByteCount(1_024_000) && sample.memoryUsed == ByteCount(614_400))
        #expect(sample.load == 0.52 && sample.temperatureCelsius == 51.25)
    }

    @Test(
        "missing and malformed texts leave values out",
        arguments: [
            nil, "", "cpu", "cpu  a b c d", "cpu 1 2", "intr 1", "cpu  18446744073709551615 1 1 1",
        ])
    func malformed(text: String?) {
        let sample = SystemSample(
            time: Timestamp(seconds: 1), stat: text, previousStat: "cpu  1 1 1 1", meminfo: text, loadavg: text,
            thermalZones: [text ?? "x"])
        #expect(
            sample.cpu == nil && sample.memoryTotal == nil && sample.load == nil && sample.temperatureCelsius == nil)
    }

    @Test(
        "counters that stand still or go back give no share",
        arguments: [
            ("cpu  1 1 1 1", "cpu  1 1 1 1"), ("cpu  1 1 1 1", "cpu  9 9 9 9"), ("cpu  0 0 0 100", "cpu  50 0 0 1"),
        ])
    func counters(now: String, before: String) {
        let sample = SystemSample(
            time: Timestamp(seconds: 1), stat: now, previousStat: before, meminfo: nil, loadavg: nil)
        #expect(sample.cpu == nil)
    }
}
