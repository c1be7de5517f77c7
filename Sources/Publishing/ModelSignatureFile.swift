internal import MartletTypes
package import Trust

/// A model signature in a file of the publisher's own.
package enum ModelSignatureFile {
    /// Reads a bundle; throws `fileUnreadable` or `badFile` that names the file.
    package static func read(_ path: String) async throws -> ModelSignature {
        let bytes = try await LocalFile.text(path, what: "model signature", limit: TrustLimits.modelSignatureBytes)
        do throws(TrustError) {
            return try ModelSignature(parsing: bytes)
        } catch {
            throw PublishError(.badFile, "\(path): \(error.message)", remedy: error.remedy)
        }
    }
}
