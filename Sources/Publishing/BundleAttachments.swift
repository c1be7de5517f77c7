internal import BundleFormat
internal import MartletTypes
internal import RegistryClient
internal import Trust

/// Brings what a bundle holds beside its releases into a registry: model signatures and bills of materials.
///
/// Documents of ours get the very manifests that they had, because equal documents give equal bytes; those that another
/// tool attached come under new manifests. A signature is vouched for by its key, which each device's owner knows;
/// a bill by nobody.
struct BundleAttachments {
    let oci: OCIClient

    /// Attaches what belongs to a release whose manifests are in the registry. What is no such document, or a signature
    /// over other files, is passed over: no device would take it.
    func push(_ release: BundledRelease, of front: BundleFront) async throws {
        let repository = release.path.repository
        for variant in try front.index(of: release).variants {
            guard let bytes = front.manifests[variant.descriptor.digest] else { continue }
            let files = try ImageManifest(parsing: bytes).modelFiles
            for document in front.signatures[variant.descriptor.digest] ?? [] {
                guard let signature = Self.signature(document, over: files) else { continue }
                let subject = Descriptor(mediaType: MediaType.manifest, of: bytes)
                _ = try await oci.put(signature, about: subject, in: repository)
            }
        }
        guard let index = front.manifests[release.index.digest] else { return }
        for bill in front.bills[release.index.digest] ?? [] {
            guard (try? JSONValue(parsing: bill))?["bomFormat"]?.string == "CycloneDX" else { continue }
            let referrer = Referrer(
                type: MaterialsBill.mediaType, document: bill, fileName: MaterialsBill.fileName,
                about: Descriptor(mediaType: MediaType.index, of: index))
            _ = try await oci.put(referrer, bill, in: repository)
        }
    }

    private static func signature(_ document: [UInt8], over files: [ModelFile]) -> ModelSignature? {
        do throws(TrustError) {
            let signature = try ModelSignature(parsing: document)
            return try signature.claimRefusal(of: files) == nil ? signature : nil
        } catch {
            return nil
        }
    }
}

extension ImageManifest {
    /// Its files as a model signature names them.
    var modelFiles: [ModelFile] {
        pulledFiles.map { ModelFile(name: $0.name, digest: $0.digest, reachesEngine: $0.reachesEngine) }
    }
}
