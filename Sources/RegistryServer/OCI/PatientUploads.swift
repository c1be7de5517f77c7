import MartletTypes
import RegistryStore

/// Calls of the blob store on an upload that wait a moment while another call is at work on it.
///
/// A client whose connection broke asks at once how far it came, while the bytes that it sent before are still being
/// written. Neither of the two may fail for that.
struct PatientUploads: Sendable {
    let blobs: any BlobStore

    func offset(of upload: UploadID) async throws -> ByteCount {
        try await patiently { try await blobs.uploadOffset(of: upload) }
    }

    func append(_ bytes: [UInt8], at offset: ByteCount, to upload: UploadID) async throws -> ByteCount {
        try await patiently { try await blobs.append(bytes, at: offset, to: upload) }
    }

    func finish(_ upload: UploadID, as digest: Digest) async throws -> ByteCount {
        try await patiently { try await blobs.finishUpload(upload, as: digest) }
    }

    func abort(_ upload: UploadID) async throws {
        try await patiently { try await blobs.abortUpload(upload) }
    }

    private func patiently<Value>(_ body: () async throws -> Value) async throws -> Value {
        for _ in 0..<ServerLimits.busyAttempts {
            do {
                return try await body()
            } catch let error as StoreError where error.kind == .uploadBusy {
                try await Task.sleep(for: ServerLimits.busyPause)
            }
        }
        return try await body()
    }
}
