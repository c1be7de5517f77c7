import Foundation

let usage = """
    usage: embed-assets [--check | --lock] [--root FOLDER]
      (nothing)  write the generated files whose sources changed
      --check    write nothing; exit 1 when a generated file is out of date or a locked migration changed
      --lock     lock the migrations that a release ships from now on
    """

func complain(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
}

func run(_ arguments: [String]) throws -> Int32 {
    var root = URL(fileURLWithPath: FileManager.default.currentDirectoryPath)
    var mode = ""
    var rest = arguments[...]
    while let argument = rest.popFirst() {
        switch argument {
        case "--check", "--lock": mode = argument
        case "--root":
            guard let path = rest.popFirst() else { return usageError("--root needs a folder") }
            root = URL(fileURLWithPath: path)
        case "--help", "-h":
            print(usage)
            return 0
        default: return usageError("unknown argument \(argument)")
        }
    }
    guard FileManager.default.fileExists(atPath: root.appendingPathComponent("Package.swift").path) else {
        return usageError("\(root.path) holds no Package.swift; run this in the root of the package or use --root")
    }
    if mode == "--lock" {
        for name in try MigrationLock(root: root).append() { print("locked \(name)") }
        return 0
    }
    let stale = try GeneratedFile.all(root: root).filter { !$0.isCurrent(root: root) }
    if mode == "--check" {
        let problems =
            try MigrationLock(root: root).problems() + stale.map { "\($0.path) is out of date; run `make assets`" }
        problems.forEach(complain)
        return problems.isEmpty ? 0 : 1
    }
    for file in stale {
        try file.write(root: root)
        print("wrote \(file.path)")
    }
    return 0
}

func usageError(_ text: String) -> Int32 {
    complain("error: \(text)\n\(usage)")
    return EX_USAGE
}

do {
    exit(try run(Array(CommandLine.arguments.dropFirst())))
} catch {
    complain("error: \(error)")
    exit(EX_SOFTWARE)
}
