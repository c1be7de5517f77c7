import Glibc
import MartletTypes

/// Whom a folder belongs to, when root fills it: what root makes there goes to that user, who is to read it.
struct FolderOwner: Sendable {
    private let path: String
    private let user: uid_t
    private let group: gid_t

    /// Nil where there is nothing to hand over: who runs this is not root, or the folder is root's.
    init?(of path: String) {
        var status = stat()
        guard geteuid() == 0, stat(path, &status) == 0, status.st_uid != 0 else { return nil }
        self.path = path
        user = status.st_uid
        group = status.st_gid
    }

    /// Gives the owner of the folder every file and folder of root's below it. Links are neither followed nor given
    /// away, and files with a second name neither: the owner could have put them there.
    func takeOver() throws {
        try walk(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), path)
    }

    private func walk(_ descriptor: Int32, _ path: String) throws {
        guard descriptor >= 0 else { throw BackupFiles.failure("open", path) }
        // The stream closes the descriptor.
        guard let folder = fdopendir(descriptor) else {
            let error = BackupFiles.failure("list", path)
            close(descriptor)
            throw error
        }
        defer { closedir(folder) }
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            // A file system's own.
            if name == "." || name == ".." || name == "lost+found" { continue }
            try give(name, in: descriptor, path)
        }
    }

    private func give(_ name: String, in folder: Int32, _ path: String) throws {
        let whole = path + "/" + name
        var status = stat()
        guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            // What was removed meanwhile needs no owner.
            if errno == ENOENT { return }
            throw BackupFiles.failure("look at", whole)
        }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        guard isFolder || status.st_mode & S_IFMT == S_IFREG && status.st_nlink == 1 else { return }
        if status.st_uid == 0 {
            guard fchownat(folder, name, user, group, AT_SYMLINK_NOFOLLOW) == 0 || errno == ENOENT else {
                throw BackupFiles.failure("hand over", whole)
            }
        }
        guard isFolder else { return }
        try walk(openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), whole)
    }
}
