import Glibc
import MartletTypes

/// Whom a folder belongs to, when root fills it: what root makes there goes to that user, who is to read it.
struct FolderOwner: Sendable {
    private let path: String
    private let user: uid_t
    private let group: gid_t

    /// Nil where there is nothing to hand over: who runs this is not root, or the folder is root's. A link is taken for
    /// the folder that it leads to: who runs this has named it.
    init?(of path: String) {
        guard geteuid() == 0, let real = realpath(path, nil) else { return nil }
        defer { free(real) }
        var status = stat()
        guard lstat(real, &status) == 0, status.st_uid != 0 else { return nil }
        self.path = String(cString: real)
        user = status.st_uid
        group = status.st_gid
    }

    /// Gives the owner of the folder what is root's of these names in it, and all of root's below them on the same file
    /// system. Links are neither followed nor given away, and files with a second name neither: the owner could have
    /// put them there. What other names hold is none of ours.
    func takeOver(_ names: [String]) throws {
        let folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard folder >= 0 else { throw BackupFiles.failure("open", path) }
        defer { close(folder) }
        for name in names { try give(name, in: folder, path, on: nil) }
    }

    /// All of a folder that is open, and is closed with the end.
    private func walk(_ descriptor: Int32, _ path: String, on device: dev_t) throws {
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
            try give(name, in: descriptor, path, on: device)
        }
    }

    private func give(_ name: String, in folder: Int32, _ path: String, on device: dev_t?) throws {
        let whole = path + "/" + name
        var status = stat()
        guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            // What is not there, or not any more, needs no owner.
            if errno == ENOENT { return }
            throw BackupFiles.failure("look at", whole)
        }
        guard [S_IFDIR, S_IFREG].contains(status.st_mode & S_IFMT) else { return }
        // From here on it is the open file that is looked at and given away, whatever has its name by then.
        let file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0, fstat(file, &status) == 0 else {
            let error = BackupFiles.failure("open", whole)
            if file >= 0 { close(file) }
            throw error
        }
        let isFolder = status.st_mode & S_IFMT == S_IFDIR
        let isPlain = status.st_mode & S_IFMT == S_IFREG && status.st_nlink == 1
        // Another file system that is mounted further down holds nothing of ours.
        guard isFolder || isPlain, device == nil || device == status.st_dev else {
            close(file)
            return
        }
        if status.st_uid == 0, fchown(file, user, group) != 0 {
            let error = BackupFiles.failure("hand over", whole)
            close(file)
            throw error
        }
        if isFolder { try walk(file, whole, on: status.st_dev) } else { close(file) }
    }
}
