import Testing

@testable import RegistryServer

/// RFC 9110 section 14, with OCI's stricter reading of a first byte behind the last.
@Suite struct ByteRangeTests {
    @Test(
        "A Range field is read as a table says",
        arguments: [
            (nil, ByteRange.whole), ("bytes=0-99", .part(0..<100)), ("bytes=0-", .part(0..<1000)),
            ("bytes=999-", .part(999..<1000)), ("bytes=0-0", .part(0..<1)), ("bytes=10-5000", .part(10..<1000)),
            ("bytes=-500", .part(500..<1000)), ("bytes=-5000", .part(0..<1000)), ("bytes=-0", .unsatisfiable),
            ("bytes=1000-", .unsatisfiable), ("bytes=1000-1001", .unsatisfiable), ("bytes=500-0", .unsatisfiable),
            ("bytes=99999999999999999999-", .unsatisfiable), ("bytes=0-99999999999999999999", .part(0..<1000)),
            ("bytes=-99999999999999999999", .part(0..<1000)), ("BYTES=1-2", .part(1..<3)),
            ("bytes= 1 - 2", .part(1..<3)),
            ("bytes=0-1,5-6", .whole), ("items=0-1", .whole), ("bytes=", .whole), ("bytes=-", .whole),
            ("bytes=a-b", .whole), ("bytes=1", .whole), ("bytes=--1", .whole), ("bytes=+1-2", .whole),
        ] as [(String?, ByteRange)])
    func table(header: String?, expected: ByteRange) {
        #expect(ByteRange(header: header, length: 1000) == expected, "\(header ?? "none")")
    }

    @Test("An empty representation satisfies no range")
    func empty() {
        #expect(ByteRange(header: "bytes=0-", length: 0) == .unsatisfiable)
        #expect(ByteRange(header: "bytes=-1", length: 0) == .unsatisfiable)
        #expect(ByteRange(header: nil, length: 0) == .whole)
    }

    @Test(
        "Entity tags are compared weakly in a list",
        arguments: [
            ("\"a\"", true), ("W/\"a\"", true), ("*", true), ("\"b\", \"a\"", true), ("\"b\"", false), ("a", false),
            ("", false),
        ])
    func tags(header: String, expected: Bool) {
        #expect(EntityTag.list(header, names: "\"a\"") == expected)
    }
}
