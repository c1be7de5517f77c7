package import MartletAPI
package import MartletTypes

/// Why a call to a registry failed: what, where, whose fault, what next.
package struct ClientError: MartletError, Equatable {
    /// Stable codes. A problem document's own code takes the place of `problem`.
    package enum Code: String, Sendable, CaseIterable {
        case invalidCall
        case insecureOrigin
        case cannotResolve
        case cannotConnect
        case tlsFailed
        case certificateUntrusted
        case certificateRefused
        case timedOut
        case connectionLost
        case tooLarge
        case redirected
        case foreignOrigin
        case malformedReply
        case digestMismatch
        case problem
        case unexpectedStatus
        case fileFailed
        case storageFailed
        case cancelled
        case closed
        case clientFailed
    }

    /// What happened.
    package let reason: Code
    /// The call, e.g. `GET https://registry.example/v2/`, without its query.
    package let subject: String
    /// What is known of the cause, printable and cut.
    package let detail: String
    /// The HTTP status, where there was an answer.
    package let status: Int?
    /// The registry's own explanation.
    package let problem: Problem?
    /// Seconds the registry asked to wait before the next attempt.
    package let retryAfterSeconds: Int?

    package init(
        _ reason: Code, _ subject: String, _ detail: String, status: Int? = nil, problem: Problem? = nil,
        retryAfterSeconds: Int? = nil
    ) {
        self.reason = reason
        self.subject = subject
        self.detail = Self.printable(detail)
        self.status = status
        self.problem = problem
        self.retryAfterSeconds = retryAfterSeconds
    }

    package var code: String { problem.map { Self.printable($0.code) } ?? reason.rawValue }

    package var message: String {
        if let problem { return Self.printable(problem.detail) }
        return "\(subject) failed: \(detail)."
    }

    package var remedy: String {
        if let remedy = problem?.remedy { return Self.printable(remedy) }
        return switch reason {
        case .invalidCall: "Correct the value and try again."
        case .insecureOrigin: "Use an https:// address; plain http is for this machine only."
        case .cannotResolve: "Check the host name in the registry's address and the name servers."
        case .cannotConnect: "Check that the registry runs at this address and that no firewall stands between."
        case .tlsFailed:
            "Check that the address is that of the right listener and that both sides speak TLS 1.2 or later."
        case .certificateUntrusted: "Check the address; if the registry's authority changed, log in or enrol again."
        case .certificateRefused: "Renew this certificate, or enrol again."
        case .timedOut, .connectionLost: "Try again; what was transferred is kept where the call can resume."
        case .tooLarge, .malformedReply, .digestMismatch:
            "Check that the address is a Martlet registry, and its version."
        case .redirected, .foreignOrigin: "Use the registry's own address; redirects are not followed."
        case .unexpectedStatus where status == 401: "Log in again: the token is missing, wrong or expired."
        case .unexpectedStatus where status == 403: "Ask for a token whose role and namespace allow this."
        case .problem where fault == .caller: "Correct what it names and try again."
        case .problem, .unexpectedStatus: "See the registry's log for this request."
        case .fileFailed: "Check that the file exists, can be read, and is not being written."
        case .storageFailed: "Check free space and permissions, then try again."
        case .cancelled, .closed: ""
        case .clientFailed: "Report this with the steps that led here."
        }
    }

    package var fault: ErrorFault {
        switch reason {
        case .cannotResolve, .cannotConnect, .timedOut, .connectionLost: .transport
        case .invalidCall, .insecureOrigin, .cancelled, .closed: .caller
        case .fileFailed, .storageFailed: .environment
        case .clientFailed: .us
        case .problem, .unexpectedStatus: statusFault
        case .tlsFailed, .certificateUntrusted, .certificateRefused, .tooLarge, .redirected, .foreignOrigin,
            .malformedReply, .digestMismatch:
            .peer
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    package var isTransient: Bool {
        fault == .transport || [429, 502, 503, 504].contains(status)
    }

    private var statusFault: ErrorFault {
        guard let status else { return .peer }
        if [429, 502, 503, 504].contains(status) { return .transport }
        return (400..<500).contains(status) ? .caller : .peer
    }

    /// Text from outside without control characters, so that a peer cannot write to the terminal, and cut.
    package static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(ClientLimits.quotedCharacters).map {
                    $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) ? " " : $0
                }))
    }
}
