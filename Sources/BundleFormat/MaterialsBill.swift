package import MartletTypes

/// A bill of materials of a release: CycloneDX 1.6 with machine-learning-model components, from what the release
/// itself says. Equal releases give equal bytes: it holds no time and no random number.
///
/// Source: CycloneDX 1.6 (ECMA-424), JSON schema `bom-1.6.schema.json`.
package struct MaterialsBill: Sendable {
    /// The media type, which is its artifact type as a referrer too.
    package static let mediaType = "application/vnd.cyclonedx+json"
    /// What pulling it writes.
    package static let fileName = "bom.cdx.json"

    private let release: ReleasePath
    private let index: ReleaseIndex
    private let indexDigest: Digest
    private let variants: [VariantManifest]
    private let card: ModelCard?

    /// A bill of `release`, whose index has `digest`; `variants` in the order of the index.
    package init(
        release: ReleasePath, index: ReleaseIndex, digest: Digest, variants: [VariantManifest], card: ModelCard?
    ) {
        self.release = release
        self.index = index
        indexDigest = digest
        self.variants = variants
        self.card = card
    }

    /// The bytes of the document.
    package func encoded() throws(BundleError) -> [UInt8] {
        let root = release.reference
        var components: [JSONValue] = []
        var parts: [JSONValue] = []
        for (entry, variant) in zip(index.variants, variants) {
            components.append(component(entry, variant))
            parts.append(.string(Self.reference(entry)))
        }
        let document = JSONValue.object([
            "$schema": .string("http://cyclonedx.org/schema/bom-1.6.schema.json"), "bomFormat": .string("CycloneDX"),
            "specVersion": .string("1.6"), "version": .integer(1), "serialNumber": .string(serialNumber),
            "metadata": .object([
                "component": .object(main(root)),
                "tools": .object([
                    "components": .array([.object(["type": .string("application"), "name": .string("martlet")])])
                ]),
            ]),
            "components": .array(components),
            "dependencies": .array([.object(["ref": .string(root), "dependsOn": .array(parts)])]),
        ])
        return try DocumentCoder.encode(document, "bill of materials")
    }

    /// The release as a whole.
    private func main(_ reference: String) -> [String: JSONValue] {
        let shape = index.variants.first.map { $0.adapterShape ?? $0.shape } ?? nil
        var members: [String: JSONValue] = [
            "type": .string("machine-learning-model"), "bom-ref": .string(reference),
            "group": .string(release.repository.namespace),
            "name": .string(String(release.repository.text.dropFirst(release.repository.namespace.count + 1))),
            "version": .string(release.version.text), "hashes": Self.hashes(indexDigest),
        ]
        members["description"] = (card?.summary).map(JSONValue.string)
        members["licenses"] = Self.licenses(card?.value("license") ?? shape?.license)
        if let shape { members["modelCard"] = modelCard(shape) }
        if let base = index.base {
            members["pedigree"] = .object([
                "ancestors": .array([
                    .object([
                        "type": .string("machine-learning-model"), "name": .string(base.release.repository.text),
                        "version": .string(base.release.version.text), "hashes": Self.hashes(base.indexDigest),
                    ])
                ])
            ])
        }
        members["properties"] = Self.properties([
            ("dev.martlet:kind", index.kind.rawValue), ("dev.martlet:generalName", shape?.name),
        ])
        return members
    }

    /// One variant with its files.
    private func component(_ entry: VariantEntry, _ variant: VariantManifest) -> JSONValue {
        let own = variant.adapterShape ?? variant.shape
        var members: [String: JSONValue] = [
            "type": .string("machine-learning-model"), "bom-ref": .string(Self.reference(entry)),
            "name": .string(own.name ?? release.repository.text), "version": .string(release.version.text),
            "hashes": Self.hashes(entry.descriptor.digest), "components": .array(files(variant)),
            "modelCard": modelCard(own),
        ]
        members["licenses"] = Self.licenses(own.license ?? card?.value("license"))
        let threshold = variant.threshold?.minAccuracy.map { "\($0)" }
        members["properties"] = Self.properties([
            ("dev.martlet:quantization", entry.quantization), ("dev.martlet:engine", entry.engine.name),
            ("dev.martlet:parameters", String(own.parameterCount)),
            ("dev.martlet:contextLength", own.contextLength.map(String.init)),
            ("dev.martlet:bytes", String(entry.fileSize.bytes)), ("dev.martlet:minAccuracy", threshold),
        ])
        return .object(members)
    }

    private func files(_ variant: VariantManifest) -> [JSONValue] {
        var files = variant.weights.map { Self.file($0.fileName, $0.descriptor.digest, $0.role.rawValue) }
        let others: [(String, LayerRole, Descriptor?)] = [
            ("chat_template.jinja", .chatTemplate, variant.chatTemplate), ("LICENSE", .license, variant.license),
            ("README.md", .card, variant.card), ("evaluation.jsonl", .evaluation, variant.evaluation),
            ("probes.json", .probes, variant.probes),
        ]
        for (name, role, layer) in others {
            if let layer { files.append(Self.file(name, layer.digest, role.rawValue)) }
        }
        return files
    }

    private func modelCard(_ shape: ModelShape) -> JSONValue {
        var parameters: [String: JSONValue] = [
            "architectureFamily": .string(shape.architecture), "modelArchitecture": .string(shape.architecture),
            "inputs": .array([.object(["format": .string("text")])]),
            "outputs": .array([.object(["format": .string("text")])]),
        ]
        parameters["task"] = .string(card?.value("pipeline_tag") ?? "text-generation")
        if let datasets = card?.head["datasets"] {
            parameters["datasets"] = .array(
                datasets.map { .object(["type": .string("dataset"), "name": .string($0)]) })
        }
        var members: [String: JSONValue] = ["modelParameters": .object(parameters)]
        var considerations: [String: JSONValue] = [:]
        considerations["useCases"] = (card?.uses).map { .array([.string($0)]) }
        considerations["technicalLimitations"] = (card?.limitations).map { .array([.string($0)]) }
        if !considerations.isEmpty { members["considerations"] = .object(considerations) }
        members["properties"] = Self.properties(
            (card?.head["language"] ?? []).map { ("language", $0) }
                + (card?.head["base_model"] ?? []).map { ("baseModel", $0) })
        return .object(members)
    }

    private static func file(_ name: String, _ digest: Digest, _ role: String) -> JSONValue {
        .object([
            "type": .string("file"), "name": .string(name), "hashes": hashes(digest),
            "properties": properties([("dev.martlet:role", role)]) ?? .array([]),
        ])
    }

    private static func reference(_ entry: VariantEntry) -> String { entry.descriptor.digest.text }

    private static func hashes(_ digest: Digest) -> JSONValue {
        let name = digest.algorithm == .sha256 ? "SHA-256" : "SHA-512"
        return .array([.object(["alg": .string(name), "content": .string(digest.hex)])])
    }

    private static func properties(_ pairs: [(String, String?)]) -> JSONValue? {
        let present = pairs.compactMap { name, value in
            value.map { JSONValue.object(["name": .string(name), "value": .string($0)]) }
        }
        return present.isEmpty ? nil : .array(present)
    }

    /// A UUID (version 8, RFC 9562) that follows from the release.
    private var serialNumber: String {
        var hex = Array(Digest.of(Array((release.text + indexDigest.text).utf8)).hex.prefix(32))
        hex[12] = "8"
        hex[16] = "8"
        let parts = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(hex[$0]) }
        return "urn:uuid:" + parts.joined(separator: "-")
    }
}

extension MaterialsBill {
    /// Identifiers of SPDX for the names that model files and cards use; others stand there as names.
    private static let spdx = [
        "apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause", "bsd-2-clause": "BSD-2-Clause",
        "cc0-1.0": "CC0-1.0", "cc-by-4.0": "CC-BY-4.0", "cc-by-sa-4.0": "CC-BY-SA-4.0",
        "cc-by-nc-4.0": "CC-BY-NC-4.0", "gpl-3.0": "GPL-3.0-only", "agpl-3.0": "AGPL-3.0-only",
        "lgpl-3.0": "LGPL-3.0-only", "mpl-2.0": "MPL-2.0", "isc": "ISC", "unlicense": "Unlicense",
    ]

    private static func licenses(_ name: String?) -> JSONValue? {
        guard let name, !name.isEmpty else { return nil }
        let license = spdx[name.lowercased()].map { ["id": JSONValue.string($0)] } ?? ["name": .string(name)]
        return .array([.object(["license": .object(license)])])
    }
}
