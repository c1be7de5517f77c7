package import MartletTypes

/// What may stand in an archive: an OCI image layout and the metadata that proves it. Nothing else has a name here, so
/// nothing else can be unpacked.
///
/// Source: OCI image spec 1.1, image-layout.md; the folders `tuf` and `assignments` are ours.
package enum ArchivePath: Sendable, Hashable, CustomStringConvertible {
    /// `oci-layout`
    case layout
    /// `index.json`
    case index
    /// `blobs/ALGORITHM/HEX`
    case blob(Digest)
    /// `tuf/FILE`: TUF metadata under the name by which it is fetched, e.g. `3.clinic.json`.
    case metadata(String)
    /// `tuf/targets/martlet/FILE`: a target that is no release.
    case target(String)
    /// `assignments/DEVICE.json`: a signed assignment for an offline device.
    case assignment(DeviceID)
    /// `signatures/HEX/NUMBER.json`: a model signature of the variant whose manifest has that SHA-256.
    case signature(Digest, Int)
    /// `bills/HEX/NUMBER.json`: a bill of materials of the release whose index has that SHA-256.
    case bill(Digest, Int)

    /// The content of `oci-layout`.
    package static let layoutBytes = Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)

    /// Reads the name of an entry; nil for any name that does not belong into an archive of ours.
    package init?(_ text: String) {
        guard text.utf8.count <= BundleLimits.archivePathBytes else { return nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        switch (parts.first, parts.count) {
        case ("oci-layout", 1): self = .layout
        case ("index.json", 1): self = .index
        case ("blobs", 3):
            guard let digest = try? Digest(parts[1] + ":" + parts[2]) else { return nil }
            self = .blob(digest)
        case ("tuf", 2):
            guard Self.isFile(parts[1]) else { return nil }
            self = .metadata(parts[1])
        case ("tuf", 4):
            guard parts[1] == "targets", parts[2] == "martlet", Self.isFile(parts[3]) else { return nil }
            self = .target(parts[3])
        case ("assignments", 2):
            guard parts[1].hasSuffix(".json"), let device = try? DeviceID(String(parts[1].dropLast(5))) else {
                return nil
            }
            self = .assignment(device)
        case ("signatures", 3), ("bills", 3):
            guard let digest = try? Digest("sha256:" + parts[1]), parts[2].hasSuffix(".json"),
                let number = Int(parts[2].dropLast(5)), (0..<BundleLimits.signaturesPerVariant).contains(number),
                parts[2] == "\(number).json"
            else { return nil }
            self = parts[0] == "bills" ? .bill(digest, number) : .signature(digest, number)
        default: return nil
        }
    }

    package var description: String {
        switch self {
        case .layout: "oci-layout"
        case .index: "index.json"
        case .blob(let digest): "blobs/\(digest.algorithm.rawValue)/\(digest.hex)"
        case .metadata(let file): "tuf/\(file)"
        case .target(let file): "tuf/targets/martlet/\(file)"
        case .assignment(let device): "assignments/\(device).json"
        case .signature(let digest, let number): "signatures/\(digest.hex)/\(number).json"
        case .bill(let digest, let number): "bills/\(digest.hex)/\(number).json"
        }
    }

    /// The longest entry of this kind.
    var limit: Int64 {
        switch self {
        case .layout: 1024
        case .index: Int64(Limits.manifestBytes)
        case .blob: Limits.blobBytes
        case .metadata: Int64(Limits.tufMetadataBytes)
        case .target: Int64(Limits.apiBodyBytes)
        case .assignment: Int64(Limits.assignmentBytes)
        case .signature: Int64(BundleLimits.documentBytes)
        case .bill: Int64(BundleLimits.billBytes)
        }
    }

    /// Folders that tools write as entries of their own; they are passed over.
    static let folders: Set<String> = [
        "blobs", "blobs/sha256", "blobs/sha512", "tuf", "tuf/targets", "tuf/targets/martlet", "assignments",
        "signatures", "bills",
    ]

    /// A percent-encoded file name: RFC 3986's unreserved characters and `%`.
    private static func isFile(_ name: String) -> Bool {
        FileNameRule.holds(name) && name.hasSuffix(".json")
            && name.utf8.allSatisfy {
                AnnotationReader.isNameByte($0) || $0 == UInt8(ascii: "~") || $0 == UInt8(ascii: "%")
            }
    }
}
