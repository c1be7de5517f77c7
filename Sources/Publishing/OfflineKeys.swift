internal import Glibc
internal import MartletTypes
package import Trust

/// Private keys of the owner and of publishers in a folder: encrypted PKCS#8, readable by their owner only.
package struct OfflineKeys: Sendable {
    /// Where they are.
    package let folder: String

    /// Keys in `folder`, which is made where it is absent.
    package init(folder: String) { self.folder = folder }

    /// The path of a key.
    package func path(_ name: String) -> String { folder + "/" + name + ".pem" }

    /// The key called `name`: opened where it exists, so that a ceremony can be repeated, else made.
    ///
    /// A nil passphrase leaves a new key unencrypted.
    package func open(
        _ name: String, kind: KeyPair.Kind = .ed25519, passphrase: () throws -> [UInt8]?
    ) throws -> KeyPair {
        if access(path(name), F_OK) == 0 { return try KeySource.open(path(name), passphrase: passphrase) }
        let key = try KeyPair.generate(kind)
        try write(try key.pem(passphrase: try passphrase()), to: path(name))
        return key
    }

    /// Writes a new file whole or not at all; never over one that exists.
    private func write(_ bytes: [UInt8], to path: String) throws(PublishError) {
        try makeFolder()
        let temporary = path + ".tmp"
        unlink(temporary)
        let descriptor = Glibc.open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("created", temporary) }
        let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        let isDurable = written == bytes.count && fsync(descriptor) == 0
        close(descriptor)
        // `link` fails where the name is taken; `rename` would replace a key that another run has just made.
        guard isDurable, link(temporary, path) == 0 else {
            let error = failure("written", path)
            unlink(temporary)
            throw error
        }
        unlink(temporary)
        let directory = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure("opened", folder) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw failure("synced", folder) }
    }

    private func makeFolder() throws(PublishError) {
        var made = folder.hasPrefix("/") ? "" : "."
        for part in folder.split(separator: "/") {
            made += "/" + part
            guard mkdir(made, 0o700) == 0 || errno == EEXIST else { throw failure("made", made) }
        }
    }

    private func failure(_ verb: String, _ path: String) -> PublishError {
        PublishError(
            .keyFile, "\(path) could not be \(verb): \(String(cString: strerror(errno))).",
            remedy: "Check the folder's permissions and the free space, or choose another with --keys.")
    }
}
