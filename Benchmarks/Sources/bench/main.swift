import Foundation

/// The value of an option, or the end of the program with a sentence.
func option(_ name: String) -> String {
    let arguments = CommandLine.arguments
    guard let index = arguments.firstIndex(of: name), index + 1 < arguments.count else {
        complain("bench needs \(name); run it by `make bench`")
        exit(EX_USAGE)
    }
    return arguments[index + 1]
}

func complain(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
}

let filter = option("--filter")
let chosen = Figures.all.filter { filter.isEmpty || $0.name.contains(filter) }
guard !chosen.isEmpty else {
    complain("no figure's name holds \"\(filter)\"; there are: \(Figures.all.map(\.name).joined(separator: ", "))")
    exit(EX_USAGE)
}

// Short: engines listen on sockets below it, and the path of a socket has 107 bytes at most.
let folder = FileManager.default.temporaryDirectory.appendingPathComponent("martlet-bench-\(getpid())")
let workbench = Workbench(
    root: URL(fileURLWithPath: option("--root")),
    programs: URL(fileURLWithPath: option("--programs")),
    llamaServer: option("--llama-server"),
    model: option("--model"),
    folder: folder
)
let results = ResultsFile(url: URL(fileURLWithPath: option("--results")))

// Interrupted, we leave no process behind.
let interruptions = [SIGINT, SIGTERM].map { number in
    signal(number, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
    source.setEventHandler {
        Started.endAll()
        exit(128 + number)
    }
    source.resume()
    return source
}

var rows: [ResultRow] = []
var failed = false
for figure in chosen {
    complain("measuring \(figure.name)")
    do {
        let measured = try figure.measure(workbench)
        rows += measured
        // At once: a later figure that hangs costs nothing that was measured.
        try results.merge(measured)
    } catch {
        failed = true
        complain("\(figure.name): \(error)")
    }
}
try? FileManager.default.removeItem(at: folder)
print(table(rows))
Started.endAll()
exit(failed ? EXIT_FAILURE : EXIT_SUCCESS)
