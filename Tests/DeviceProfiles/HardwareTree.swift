import DeviceProfiles
import Foundation
import MartletTypes
import TestSupport

/// Trees of `/proc` and `/sys`: those of Tests/Fixtures/hardware (its README has the form), or made by a test.
enum HardwareTree {
    /// The names of all trees that are kept.
    static var names: [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: Checkout.fixture("hardware"))) ?? []
        return files.filter { $0.hasSuffix(".tree") }.map { String($0.dropLast(5)) }.sorted()
    }

    /// What the probe says of a tree that is kept.
    static func board(
        _ name: String, storage: [String] = ["/"], command: ProbeCommand? = nil,
        kernelClock: (@Sendable () -> Bool?)? = nil
    ) throws -> HardwareFacts {
        let folder = try TemporaryFolder("hardware")
        try unpack(name, to: folder)
        return HardwareProbe(
            root: folder.path, storagePaths: storage, command: command, kernelClock: kernelClock
        ).facts()
    }

    /// What the probe says of these files.
    static func facts(_ files: [String: String]) throws -> HardwareFacts {
        let folder = try TemporaryFolder("hardware")
        try write(files, to: folder)
        return HardwareProbe(root: folder.path).facts()
    }

    static func write(_ files: [String: String], to folder: TemporaryFolder) throws {
        for (path, text) in files { try write(Array(text.utf8), at: folder.path + path) }
    }

    /// The text before the first file: who the machine is, and whether it was recorded.
    static func note(_ name: String) throws -> String {
        let text = try String(contentsOfFile: Checkout.fixture("hardware/\(name).tree"), encoding: .utf8)
        return String(text[..<(text.range(of: "\n@ ")?.lowerBound ?? text.endIndex)])
    }

    static func unpack(_ name: String, to folder: TemporaryFolder) throws {
        let text = try String(contentsOfFile: Checkout.fixture("hardware/\(name).tree"), encoding: .utf8)
        var path: String?
        var content = ""
        func finish() throws {
            if let path { try write(bytes(content), at: folder.path + path) }
            (path, content) = (nil, "")
        }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
            guard line.hasPrefix("@ ") else {
                content += line + "\n"
                continue
            }
            try finish()
            let parts = line.dropFirst(2).components(separatedBy: " -> ")
            let place = folder.path + parts[0]
            if parts.count == 2 {
                try parent(of: place)
                try FileManager.default.createSymbolicLink(atPath: place, withDestinationPath: parts[1])
            } else if place.hasSuffix("/") {
                try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            } else {
                path = parts[0]
            }
        }
        try finish()
    }

    /// `\0`, `\xHH` and `\\` as bytes; `\c` takes away what follows.
    private static func bytes(_ text: String) -> [UInt8] {
        var result: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let next = rest.popFirst() else {
                result.append(byte)
                continue
            }
            switch next {
            case UInt8(ascii: "0"): result.append(0)
            case UInt8(ascii: "c"): return result
            case UInt8(ascii: "x"):
                result.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
                rest = rest.dropFirst(2)
            default: result.append(next)
            }
        }
        return result
    }

    private static func write(_ bytes: [UInt8], at path: String) throws {
        try parent(of: path)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    private static func parent(of path: String) throws {
        try FileManager.default.createDirectory(
            atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
    }
}
