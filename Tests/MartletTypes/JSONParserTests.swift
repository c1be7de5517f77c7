import Foundation
import MartletTypes
import TestSupport
import Testing

@Suite("JSON parser")
struct JSONParserTests {
    @Test(
        "reads every kind of value",
        arguments: [
            ("null", JSONValue.null), ("true", .bool(true)), (" false\n", .bool(false)), ("0", .integer(0)),
            ("-0", .integer(0)), ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("9223372036854775808", .number(9_223_372_036_854_775_808)), ("1.0", .number(1)), ("1e2", .number(100)),
            ("-1.5E-1", .number(-0.15)), ("\"\"", .string("")), ("\"a/\\/b\"", .string("a//b")),
            (#""\"\\\b\f\n\r\t\u00e9\u20AC\ud83d\udc26""#, .string("\"\\\u{8}\u{c}\n\r\té€🐦")),
            ("\"é€🐦\"", .string("é€🐦")),
            ("\"\u{7f}\"", .string("\u{7f}")), ("[]", .array([])), ("[ 1 , [ ] ]", .array([.integer(1), .array([])])),
            ("{}", .object([:])), (" { \"a\" : { \"b\" : null } } ", .object(["a": .object(["b": .null])])),
            (#"{"\u0061":1}"#, .object(["a": .integer(1)])),
        ])
    func reads(text: String, value: JSONValue) throws {
        #expect(try JSONValue(parsing: Array(text.utf8)) == value)
    }

    @Test(
        "refuses what is not JSON, or what two readers could read differently",
        arguments: [
            "", " ", "nul", "nulll", "True", "+1", "01", "-", "1.", ".5", "1e", "1e+", "0x1", "1_0", "NaN", "Infinity",
            "1e999",
            "\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\u+123\"", "\"\\ud83d\"",
            "\"\\ud83d\\n\"",
            "\"\\ud83dx\"", "\"\\ud83d\\u0041\"", "\"\\udc26\"", "\"\n\"", "\"\\n\n\"", "'a'", "[", "]", "[1", "[1,",
            "[1,]",
            "[,1]", "[1 2]", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "{1:1}",
            "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1,\"a\":1}", #"{"a":1,"\u0061":2}"#, "1 1", "{}{}", "\u{feff}1",
            "//\n1",
            "[1]\u{0}",
        ])
    func refuses(text: String) {
        #expect(throws: DecodingError.self) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test(
        "refuses malformed UTF-8",
        arguments: [[0x80], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82]] as [[UInt8]])
    func utf8(bytes: [UInt8]) {
        for prefix in [[], Array("\\n".utf8)] as [[UInt8]] {
            #expect(throws: DecodingError.self) { try JSONValue(parsing: [0x22] + prefix + bytes + [0x22]) }
        }
    }

    @Test("nests up to the limit and no deeper")
    func depth() throws {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            func nested(_ depth: Int) -> [UInt8] {
                Array((String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)).utf8)
            }
            _ = try JSONValue(parsing: nested(Limits.jsonDepth - 1))
            #expect(throws: DecodingError.self) { try JSONValue(parsing: nested(Limits.jsonDepth)) }
        }
        #expect(throws: DecodingError.self) { try JSONValue(parsing: [UInt8](repeating: 0x5b, count: 1_000_000)) }
    }

    @Test("agrees with Foundation on random documents, and never crashes on damaged ones")
    func random() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<300 {
            let value = Self.value(depth: 4, &generator)
            let bytes = try JSONText.encode(value)
            #expect(try JSONValue(parsing: bytes) == value, "seed \(seed)")
            #expect(try JSONText.decode(JSONValue.self, from: bytes) == value, "seed \(seed)")
            var damaged = bytes
            damaged[Int.random(in: damaged.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            if let parsed = try? JSONValue(parsing: damaged) {
                #expect(throws: Never.self, "seed \(seed)") {
                    try JSONSerialization.jsonObject(with: Data(damaged), options: .fragmentsAllowed)
                }
                _ = parsed
            }
            _ = try? JSONValue(parsing: Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &generator))))
        }
    }

    private static func value(depth: Int, _ generator: inout SeededGenerator) -> JSONValue {
        let texts = ["", "a", "é", "🐦", "\n\t\"\\/", "\u{1}", "key with space"]
        switch Int.random(in: 0..<(depth == 0 ? 4 : 6), using: &generator) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &generator))
        case 2: return .integer(Int64.random(in: .min ... .max, using: &generator))
        case 3: return .string(texts.randomElement(using: &generator) ?? "")
        case 4: return .array((0..<3).map { _ in value(depth: depth - 1, &generator) })
        default:
            var members: [String: JSONValue] = [:]
            for text in texts.shuffled(using: &generator).prefix(3) {
                members[text] = value(depth: depth - 1, &generator)
            }
            return .object(members)
        }
    }
}
