package import MartletTypes

/// What a verified model signature says: which files make up the model. Made by `ModelSignature.verified` alone.
package struct SignedModel: Sendable, Hashable {
    let statement: ModelStatement
    /// The key that signed.
    package let key: ModelSignatureKey

    /// Digests of the files by name.
    package var files: [String: Digest] { statement.files }

    /// Why the signature does not stand for a model with these files; nil where it does.
    ///
    /// Every file that was signed must be there unchanged, as the tool demands; and every file that reaches an engine
    /// must be signed. Papers beside the weights (card, licence, evaluation) may be added later.
    package func refusal(of model: [ModelFile]) -> String? { statement.refusal(of: model) }
}

/// The in-toto statement of a model signature: which files make up a model, by their SHA-256.
struct ModelStatement: Sendable, Hashable {
    /// Digests of the files by name.
    let files: [String: Digest]

    private static let statementType = "https://in-toto.io/Statement/v1"

    /// Reads a statement; throws `badModelSignature` that names what is wrong with it.
    init(parsing payload: [UInt8]) throws(TrustError) {
        let statement: JSONValue
        do {
            statement = try JSONValue(parsing: payload)
        } catch {
            throw ModelSignature.bad("its statement is not JSON")
        }
        guard statement["_type"]?.string == Self.statementType else {
            throw ModelSignature.bad("its statement is not \(Self.statementType)")
        }
        guard statement["predicateType"]?.string == ModelSignature.predicateType else {
            throw ModelSignature.bad("its predicate is not \(ModelSignature.predicateType)")
        }
        guard let subjects = statement["subject"]?.array, subjects.count == 1, let subject = subjects.first else {
            throw ModelSignature.bad("its statement has not exactly one subject")
        }
        let serialization = statement["predicate"]?["serialization"]
        guard serialization?["method"]?.string == "files", serialization?["hash_type"]?.string == "sha256" else {
            throw ModelSignature.bad("it lists no SHA-256 of whole files")
        }
        let resources = statement["predicate"]?["resources"]?.array ?? []
        guard (1...TrustLimits.modelFiles).contains(resources.count) else {
            throw ModelSignature.bad("it does not list 1 to \(TrustLimits.modelFiles) files")
        }
        var files: [String: Digest] = [:]
        var joined: [UInt8] = []
        for resource in resources {
            guard let name = resource["name"]?.string, resource["algorithm"]?.string == "sha256",
                let hex = resource["digest"]?.string, let raw = Hex.decode(hex),
                let digest = try? Digest("sha256:" + hex.lowercased())
            else { throw ModelSignature.bad("it lists a file without name and SHA-256") }
            guard files.updateValue(digest, forKey: name) == nil else {
                throw ModelSignature.bad("it lists \(name.prefix(Limits.quotedValueCharacters)) twice")
            }
            joined += raw
        }
        guard subject["digest"]?["sha256"]?.string?.lowercased() == Digest.of(joined).hex else {
            throw ModelSignature.bad("its subject is not the digest of the files that it lists")
        }
        self.files = files
    }

    /// The statement over these files, as `ModelSignature.sign` signs it: equal files give equal bytes.
    static func encode(_ name: String, _ files: [ModelFile]) throws -> [UInt8] {
        let sorted = files.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        let resources = sorted.map { file in
            JSONValue.object([
                "name": .string(file.name), "algorithm": .string("sha256"), "digest": .string(file.digest.hex),
            ])
        }
        let joined = sorted.flatMap { Hex.decode($0.digest.hex) ?? [] }
        // What the tool leaves out of a folder by itself.
        let ignored = [".git", ".gitattributes", ".github", ".gitignore"].map(JSONValue.string)
        return try JSONText.encode(
            JSONValue.object([
                "_type": .string(statementType), "predicateType": .string(ModelSignature.predicateType),
                "subject": .array([
                    .object(["name": .string(name), "digest": .object(["sha256": .string(Digest.of(joined).hex)])])
                ]),
                "predicate": .object([
                    "resources": .array(resources),
                    "serialization": .object([
                        "method": .string("files"), "hash_type": .string("sha256"), "allow_symlinks": .bool(false),
                        "ignore_paths": .array(ignored),
                    ]),
                ]),
            ]))
    }

    /// See `SignedModel.refusal`.
    func refusal(of model: [ModelFile]) -> String? {
        let present = Dictionary(model.map { ($0.name, $0.digest) }) { first, _ in first }
        for (name, digest) in files.sorted(by: { $0.key < $1.key }) {
            let shown = name.prefix(Limits.quotedValueCharacters)
            guard let found = present[name] else { return "it signs \(shown), which the release has not" }
            guard found == digest else { return "it signs another \(shown)" }
        }
        for file in model where file.reachesEngine && files[file.name] != file.digest {
            return "it does not sign \(file.name)"
        }
        return nil
    }
}
