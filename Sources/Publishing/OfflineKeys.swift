internal import Glibc
internal import MartletTypes
internal import RegistryClient
package import Trust

/// Private keys of the owner and of publishers in a folder: encrypted PKCS#8, readable by their owner only.
package struct OfflineKeys: Sendable {
    /// Where they are.
    package let folder: String

    /// Keys in `folder`, which is made where it is absent.
    package init(folder: String) { self.folder = folder }

    /// The path of a key.
    package func path(_ name: String) -> String { folder + "/" + name + ".pem" }

    /// Where a key is, or would be.
    package func location(_ name: String) -> KeyLocation {
        // A folder `a:b` must not turn the path into a URI.
        KeyLocation(folder.hasPrefix("/") ? path(name) : "./" + path(name))
    }

    /// Whether there is a key called `name`.
    package func contains(_ name: String) -> Bool { access(path(name), F_OK) == 0 }

    /// The key called `name`: opened where it exists, so that a ceremony can be repeated, else made.
    ///
    /// `passphrase` opens one that exists; `newPassphrase` encrypts a new one, which stays unencrypted where it is nil.
    package func open(
        _ name: String, kind: KeyPair.Kind = .ed25519, passphrase: () throws -> [UInt8]?,
        newPassphrase: () throws -> [UInt8]?
    ) throws -> KeyPair {
        if contains(name) { return try location(name).open(passphrase: passphrase) }
        let key = try KeyPair.generate(kind)
        try write(try key.pem(passphrase: try newPassphrase()), to: path(name))
        return key
    }

    /// Writes a new file whole or not at all; never over one that exists.
    private func write(_ bytes: [UInt8], to path: String) throws(PublishError) {
        do {
            try DurableFile.makeFolder(folder)
            try DurableFile.write(bytes, to: path, in: folder, replaces: false)
        } catch {
            throw PublishError(
                .keyFile, error.detail + ".",
                remedy: "Check the folder's permissions and the free space, or choose another with --keys.")
        }
    }
}
