extension Decoder {
    /// Decodes a value that is checked where it is made; what the check throws becomes a `DecodingError` that says
    /// where
    /// in the document it stands.
    package func checked<Raw: Decodable, Value>(_ make: (Raw) throws(InvalidValue) -> Value) throws -> Value {
        let container = try singleValueContainer()
        let raw = try container.decode(Raw.self)
        do throws(InvalidValue) {
            return try make(raw)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }
}
