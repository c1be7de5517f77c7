internal import Glibc
internal import MartletTypes

/// Storage: what is free, what it lies on, how worn that is.
extension HardwareProbe {
    func storage(_ tree: inout SystemTree, _ path: String) -> HardwareFacts.Storage {
        var storage = HardwareFacts.Storage(path: path)
        var status = statvfs()
        if statvfs(tree.root + path, &status) == 0 {
            let unit = Int64(clamping: status.f_frsize)
            storage.total = ByteCount(multiply(Int64(clamping: status.f_blocks), unit))
            storage.free = ByteCount(multiply(Int64(clamping: status.f_bavail), unit))
        } else {
            tree.note(path, "its file system cannot be asked: \(String(cString: strerror(errno)))")
        }
        guard let mount = mount(&tree, path) else { return storage }
        storage.readOnly = mount.isReadOnly
        switch mount.type {
        case "tmpfs", "ramfs": storage.kind = .memory
        case "nfs", "nfs4", "cifs", "9p", "fuse.sshfs": storage.kind = .network
        default:
            if let disk = disk(&tree, mount) { describe(&tree, disk, &storage) }
        }
        return storage
    }

    private func multiply(_ a: Int64, _ b: Int64) -> Int64 {
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow ? .max : product
    }

    /// One line of `/proc/self/mountinfo`.
    private struct Mount {
        var point: String
        /// `major:minor`.
        var number: String
        var source: String
        var type: String
        var isReadOnly: Bool
    }

    /// The mount with the longest path that holds `path` (proc(5), `/proc/pid/mountinfo`).
    private func mount(_ tree: inout SystemTree, _ path: String) -> Mount? {
        guard let text = tree.text("/proc/self/mountinfo") else { return nil }
        var best: Mount?
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard words.count >= 7, let dash = words.firstIndex(of: "-"), dash + 2 < words.count else { continue }
            let point = words[4]
            let holds = point == "/" || path == point || path.hasPrefix(point + "/")
            // A later mount on the same point hides the earlier one.
            guard holds, point.utf8.count >= best?.point.utf8.count ?? 0 else { continue }
            // The mount may be read-only, or the whole file system below it, which a kernel makes so after an error.
            let options = [words[5]] + words[min(dash + 3, words.count)...]
            let isReadOnly = options.contains { $0.split(separator: ",").contains("ro") }
            best = Mount(
                point: point, number: words[2], source: words[dash + 2], type: words[dash + 1], isReadOnly: isReadOnly)
        }
        return best
    }

    /// The whole disk below a mount, by its device's name, else by its number (`/dev/root` is no device's name).
    private func disk(_ tree: inout SystemTree, _ mount: Mount) -> String? {
        let disks = tree.names("/sys/block")
        var name: String?
        if mount.source.hasPrefix("/dev/"), mount.source != "/dev/root" {
            name = mount.source.split(separator: "/").last.map(String.init)
        }
        // A name below /dev/mapper is a link's; the kernel's own is found by the number.
        if name == nil || mount.source.hasPrefix("/dev/mapper/"), !mount.number.hasPrefix("0:") {
            name = tree.linkName("/sys/dev/block/" + mount.number) ?? name
        }
        for _ in 0..<4 {
            guard let device = name else { return nil }
            guard let disk = disks.filter({ Self.isPart(device, of: $0) }).max(by: { $0.utf8.count < $1.utf8.count })
            else { return nil }
            // What is encrypted, mirrored or a logical volume lies on something else.
            guard disk.hasPrefix("dm-") || disk.hasPrefix("md"), disk == device else { return disk }
            name = tree.names("/sys/block/\(disk)/slaves").first
        }
        return nil
    }

    /// Whether `device` is `disk` or a partition of it: `sda1` of `sda`, `nvme0n1p2` of `nvme0n1`.
    private static func isPart(_ device: String, of disk: String) -> Bool {
        guard device.hasPrefix(disk) else { return false }
        let rest = device.dropFirst(disk.count)
        return rest.isEmpty || (rest.first == "p" ? rest.dropFirst() : rest).allSatisfy(\.isNumber)
    }

    private func describe(_ tree: inout SystemTree, _ disk: String, _ storage: inout HardwareFacts.Storage) {
        let folder = "/sys/block/\(disk)"
        if disk.hasPrefix("nvme") {
            // Clouds show their disks as NVMe; the model tells.
            let model = tree.line(folder + "/device/model") ?? ""
            storage.kind = Self.virtualModels.contains { model.hasPrefix($0) } ? .virtual : .nvme
            storage.bus = "nvme"
        } else if disk.hasPrefix("vd") || disk.hasPrefix("xvd") {
            storage.kind = .virtual
            storage.bus = disk.hasPrefix("vd") ? "virtio" : nil
        } else if disk.hasPrefix("mmcblk") {
            let isCard = tree.line(folder + "/device/type") == "SD"
            storage.kind = isCard ? .sdCard : .emmc
            storage.bus = "mmc"
            if !isCard { wear(&tree, folder, &storage) }
        } else if disk.hasPrefix("zram") || disk.hasPrefix("ram") {
            storage.kind = .memory
        } else {
            let vendor = tree.line(folder + "/device/vendor") ?? ""
            let place = tree.link(folder) ?? ""
            storage.bus = place.contains("/usb") ? "usb" : place.contains("/ata") ? "sata" : nil
            switch tree.line(folder + "/queue/rotational") {
            case _ where Self.virtualModels.contains { vendor.hasPrefix($0) }: storage.kind = .virtual
            case "0": storage.kind = .ssd
            case "1": storage.kind = .disk
            default: break
            }
        }
    }

    private static let virtualModels = [
        "Amazon Elastic Block Store", "Amazon EC2 NVMe", "nvme_card-pd", "Microsoft NVMe Direct", "QEMU", "VMware",
        "VBOX", "Msft", "Google",
    ]

    /// JEDEC eMMC 5.0: two estimates of life used, in steps of ten percent, 0x0b is beyond the end; and what is left
    /// of the spare blocks.
    private func wear(_ tree: inout SystemTree, _ folder: String, _ storage: inout HardwareFacts.Storage) {
        let life = folder + "/device/life_time"
        if let line = tree.line(life) {
            let steps = line.split(separator: " ").compactMap(Self.hexadecimal)
            if let most = steps.max(), steps.allSatisfy({ (0...0x0b).contains($0) }) {
                // 0 is "not defined".
                if most > 0 { storage.wearPercent = min(100, most * 10) }
            } else {
                tree.note(life, "\"\(line.prefix(40))\" is no estimate of life used")
            }
        }
        guard let end = tree.line(folder + "/device/pre_eol_info") else { return }
        storage.spare = Self.hexadecimal(end[...]).flatMap { [1: "normal", 2: "warning", 3: "urgent"][$0] }
    }

    /// A number with or without `0x`.
    static func hexadecimal(_ word: Substring) -> Int? {
        Int(word.hasPrefix("0x") ? word.dropFirst(2) : word, radix: 16)
    }
}
