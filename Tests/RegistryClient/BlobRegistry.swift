import MartletTypes
import Synchronization

/// The blob side of an OCI registry in memory, with faults by the number of the request.
final class BlobRegistry: Sendable {
    /// What goes wrong with one request.
    enum Fault: Sendable {
        /// The connection closes before anything is done.
        case dropRequest
        /// It is done, and the answer never comes.
        case dropAnswer
        /// 503 without doing anything.
        case busy
        /// The upload session is forgotten first.
        case forgetSession
    }

    struct State {
        var blobs: [String: [UInt8]] = [:]
        var sessions: [String: [UInt8]] = [:]
        var mountable: Set<String> = []
        var nextSession = 0
        var faults: [Int: Fault] = [:]
        var location = { (path: String) in path }
    }

    let state = Mutex(State())

    func script(_ request: RecordedRequest, _ number: Int) -> [Step] {
        state.withLock { state in
            switch state.faults[number] {
            case .dropRequest: return [.close]
            case .busy: return [.answer("503 Service Unavailable")]
            case .forgetSession: state.sessions = [:]
            case .dropAnswer, nil: break
            }
            let answer = Self.answer(request, &state)
            if case .dropAnswer = state.faults[number] { return [.close] }
            return [answer]
        }
    }

    private static func answer(_ request: RecordedRequest, _ state: inout State) -> Step {
        let parts = request.target.split(separator: "?", maxSplits: 1)
        let path = String(parts[0])
        var query: [String: String] = [:]
        for pair in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1)
            let value = sides.count > 1 ? sides[1].replacing("%3A", with: ":").replacing("%2F", with: "/") : ""
            query[String(sides[0])] = String(value)
        }
        let name = path.split(separator: "/").last.map(String.init) ?? ""
        switch request.method {
        case "HEAD":
            guard let blob = state.blobs[name] else {
                return .text("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            }
            return .text("HTTP/1.1 200 OK\r\nContent-Length: \(blob.count)\r\n\r\n")
        case "POST":
            if let digest = query["mount"], state.mountable.contains(digest) { return .answer("201 Created") }
            state.nextSession += 1
            state.sessions["s\(state.nextSession)"] = []
            return accepted("202 Accepted", "s\(state.nextSession)", state)
        case "GET":
            guard state.sessions[name] != nil else { return .answer("404 Not Found") }
            return accepted("204 No Content", name, state)
        case "PATCH":
            guard let held = state.sessions[name] else { return .answer("404 Not Found") }
            guard request.fields["content-range"] == "\(held.count)-\(held.count + request.body.count - 1)" else {
                return .answer("416 Range Not Satisfiable")
            }
            state.sessions[name] = held + request.body
            return accepted("202 Accepted", name, state)
        case "PUT":
            guard let bytes = state.sessions[name], let digest = query["digest"] else {
                return .answer("404 Not Found")
            }
            guard Digest.of(bytes).text == digest else {
                return .answer(
                    "400 Bad Request", body: Array(#"{"errors":[{"code":"DIGEST_INVALID","message":"no"}]}"#.utf8))
            }
            state.sessions[name] = nil
            state.blobs[digest] = bytes
            return .answer("201 Created")
        default: return .answer("405 Method Not Allowed")
        }
    }

    private static func accepted(_ status: String, _ session: String, _ state: State) -> Step {
        let location = state.location("/v2/a/b/blobs/uploads/\(session)?state=x")
        let end = (state.sessions[session] ?? []).count
        let range = "0-\(max(end - 1, 0))"
        let length = status.hasPrefix("204") ? "" : "Content-Length: 0\r\n"
        return .text("HTTP/1.1 \(status)\r\n\(length)Location: \(location)\r\nRange: \(range)\r\n\r\n")
    }
}
