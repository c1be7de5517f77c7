internal import MartletTypes

/// What a layer of a variant is for.
package enum LayerRole: String, Sendable, CaseIterable {
    case model
    case base
    case adapter
    case evaluation
    case probes
    case card
    case license
    case chatTemplate = "chat-template"

    /// The media type that goes with the role.
    package var mediaType: String {
        switch self {
        case .model, .base, .adapter: MediaType.weights
        case .evaluation: MediaType.dataset
        case .probes: MediaType.probes
        case .card, .license: MediaType.document
        case .chatTemplate: MediaType.weightConfig
        }
    }

    /// The longest layer of this role.
    var limit: Int64 {
        switch self {
        case .model, .base, .adapter: Limits.blobBytes
        case .evaluation: Int64(Limits.evaluationBytes)
        case .probes: Int64(BundleLimits.probesBytes)
        case .card, .license, .chatTemplate: Int64(BundleLimits.documentBytes)
        }
    }
}

/// One weight file of a variant.
package struct WeightLayer: Sendable, Hashable {
    /// What weights are for.
    package enum Role: String, Sendable, Codable, CaseIterable {
        /// The weights of a model release; several where the GGUF is split, in order.
        case model
        /// The weights of an adapter's base, stored under the base's own digest.
        case base
        /// The weights of an adapter.
        case adapter
    }

    /// Digest and length.
    package var descriptor: Descriptor
    /// What they are for.
    package var role: Role
    /// The file's name, without folder.
    package var fileName: String

    package init(descriptor: Descriptor, role: Role, fileName: String) {
        self.descriptor = Descriptor(mediaType: MediaType.weights, digest: descriptor.digest, size: descriptor.size)
        self.role = role
        self.fileName = fileName
    }
}

/// Names of files that can be written into a folder and nowhere else.
package enum FileNameRule {
    /// Whether `name` is one component without separators, control bytes, `..`, or a leading dot or hyphen.
    package static func holds(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count <= BundleLimits.fileNameBytes else { return false }
        return first != UInt8(ascii: ".") && first != UInt8(ascii: "-")
            && name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\") }
            && !hasTwoDots(name)
    }

    private static func hasTwoDots(_ name: String) -> Bool {
        zip(name.utf8, name.utf8.dropFirst()).contains { $0 == UInt8(ascii: ".") && $1 == UInt8(ascii: ".") }
    }
}
