internal import MartletTypes

/// Typed reading of annotations: what is absent may take a default, what is present but wrong is an error.
struct AnnotationReader {
    let document: String
    let field: String
    let values: [String: String]

    func refusal(_ reason: BundleError.Code, _ key: String, _ detail: String) -> BundleError {
        BundleError(reason, document, "\(field)[\(key)]", detail)
    }

    func text(_ key: String) throws(BundleError) -> String {
        guard let value = values[key] else { throw refusal(.missing, key, "is missing") }
        return value
    }

    /// A short name of letters, digits, `.`, `_` and `-`.
    func name(_ key: String) throws(BundleError) -> String {
        let value = try text(key)
        guard Self.isName(value) else {
            throw refusal(.invalid, key, "is not 1 to \(Limits.nameBytes) letters, digits, '.', '_' or '-'")
        }
        return value
    }

    /// Names separated by commas, sorted and without repeats; none where absent.
    func names(_ key: String) throws(BundleError) -> [String] {
        guard let value = values[key] else { return [] }
        let names = value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard names.count <= BundleLimits.cpuFeatures, names.allSatisfy(Self.isName), Set(names).count == names.count
        else {
            throw refusal(.invalid, key, "is not a list of at most \(BundleLimits.cpuFeatures) different names")
        }
        return names.sorted()
    }

    /// A number of bytes between 0 and the limit for blobs.
    func bytes(_ key: String) throws(BundleError) -> ByteCount {
        let value = try text(key)
        guard let number = Int64(value), (0...Limits.blobBytes).contains(number), String(number) == value else {
            throw refusal(.invalid, key, "is not a number of bytes up to \(Limits.blobBytes)")
        }
        return ByteCount(number)
    }

    func engine() throws(BundleError) -> EngineRequirement {
        let name = try name(AnnotationKey.engine)
        guard let text = values[AnnotationKey.engineMinVersion] else { return EngineRequirement(name: name) }
        return EngineRequirement(name: name, minVersion: try checked(AnnotationKey.engineMinVersion, text))
    }

    /// A validated string where present.
    func optional<Value: ValidatedString>(_ key: String) throws(BundleError) -> Value? {
        guard let text = values[key] else { return nil }
        return try checked(key, text)
    }

    func required<Value: ValidatedString>(_ key: String) throws(BundleError) -> Value {
        try checked(key, try text(key))
    }

    private func checked<Value: ValidatedString>(_ key: String, _ text: String) throws(BundleError) -> Value {
        do {
            return try Value(text)
        } catch {
            throw refusal(.invalid, key, "is wrong: \(error.message)")
        }
    }

    func shape(_ key: String) throws(BundleError) -> ModelShape? {
        guard let text = values[key] else { return nil }
        let shape = try DocumentCoder.decode(
            ModelShape.self, from: Array(text.utf8), limit: BundleLimits.annotationBytes, "\(document) \(field)[\(key)]"
        )
        let counts: [Int64?] =
            [shape.parameterCount, shape.fileSize.bytes, shape.tensorBytes.bytes]
            + [
                shape.contextLength, shape.embeddingLength, shape.blockCount, shape.headCount, shape.headCountKV,
                shape.keyLength, shape.valueLength, shape.feedForwardLength, shape.vocabularySize,
                shape.slidingWindow, shape.windowedLayers,
            ].map { $0.map(Int64.init) }
        let limit = Limits.blobBytes
        guard counts.allSatisfy({ $0.map((0...limit).contains) ?? true }),
            shape.tensorBytesByType.count <= BundleLimits.tensorTypes,
            shape.tensorBytesByType.values.allSatisfy((0...limit).contains), shape.tensorBytes <= shape.fileSize
        else {
            throw refusal(.invalid, key, "has a count that is negative or over \(limit)")
        }
        return shape
    }

    static func isName(_ text: String) -> Bool {
        (1...Limits.nameBytes).contains(text.utf8.count) && text.utf8.allSatisfy(isNameByte)
    }

    /// ASCII letters, digits, `.`, `_` and `-`.
    static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

/// A shape as the text of an annotation.
enum ShapeText {
    static func encode(_ shape: ModelShape?) throws(BundleError) -> String? {
        guard let shape else { return nil }
        return String(decoding: try DocumentCoder.encode(shape, "model shape"), as: UTF8.self)
    }
}
