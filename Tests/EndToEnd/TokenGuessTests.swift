import Foundation
import MartletAPI
import MartletTypes
import TestSupport
import Testing

/// docs/security.md, the row "guesser of tokens": somebody reaches an address and tries secrets.
@Suite("A guesser of tokens", .serialized)
struct TokenGuessTests {
    /// Wrong tokens that one address may offer in a minute, and attempts to enrol.
    private static let tokens = 30
    private static let enrolments = 60

    /// Another address of this machine, for who is not the guesser.
    private static let elsewhere = ["--interface", "127.0.0.2"]

    @Test("is let try thirty times a minute, learns of no right guess after it, and locks nobody out who works")
    func operators() async throws {
        try await Site.ready("guess") { site in
            func token(_ name: String) async throws -> String {
                try await site.martlet("token", "create", name, "--role", "viewer").output
                    .trimmingCharacters(in: .whitespacesAndNewlines)
            }
            let (inUse, fresh) = (try await token("in-use"), try await token("fresh"))
            let status = site.operatorAddress + "/api/v1/status"
            #expect(try await Curl.get(status, token: inUse).status == 200)

            // A window of a minute may end meanwhile: then it begins anew, once.
            func guess(_ address: String, _ options: [String]) async throws -> [Int] {
                let first = try await Curl.statuses(address, times: Self.tokens + 5, options)
                if first.last == 429 { return first }
                return try await Curl.statuses(address, times: Self.tokens + 5, options)
            }
            let answers = try await guess(status, ["-H", "Authorization: Bearer martlet_guessed"])
            #expect(Set(answers) == [401, 429] && answers.last == 429, "\(answers)")
            #expect(answers.count { $0 == 401 } <= Self.tokens, "\(answers)")
            // A right guess is told from a wrong one no more, by no door, and under no borrowed name.
            let refused = try await Curl.get(status, token: fresh, "-i")
            #expect(refused.status == 429 && refused.body.lowercased().contains("retry-after:"), "\(refused.body)")
            #expect(!refused.body.contains("fresh"))
            for options in [
                ["-H", "X-Forwarded-For: 10.1.2.3"], ["-H", "Forwarded: for=10.1.2.3"], ["-H", "X-Real-IP: 10.1.2.3"],
            ] {
                let answer = try await Curl.ask(status, token: fresh, options)
                #expect(answer.status == 429, "\(options)")
            }
            let oci = try await Curl.get(site.operatorAddress + "/v2/", "-u", "me:" + fresh)
            #expect(oci.status == 429)
            let form = try await Curl.get(site.operatorAddress + "/login", "--data", "token=" + fresh)
            #expect(form.status == 429)
            let tool = try await site.martlet(["devices", "list", "--token", fresh], expecting: 69)
            #expect(tool.errors.contains("Too many attempts"), "\(tool)")

            // Whoever works goes on, from the same address; whoever comes from elsewhere gets in.
            for _ in 0..<3 { #expect(try await Curl.get(status, token: inUse).status == 200) }
            try await site.martlet("status")
            #expect(try await Curl.ask(status, token: fresh, Self.elsewhere).status == 200)
            #expect(try await Curl.get(status, token: fresh).status == 200, "by now it is in use")
            #expect(!site.registryLog.contains("martlet_guessed") && !site.registryLog.contains(fresh))
        }
    }

    @Test("of join tokens is stopped too, and devices that have joined notice nothing")
    func joining() async throws {
        try await Site.ready("guessjoin") { site in
            let join = try await site.joinFile()
            #expect(try await site.enrol("ward-1", join: join).status == 0)
            let device = try StolenIdentity(data: site.folder.file("devices/ward-1"))
            let request = EnrolRequest(
                device: try DeviceID("evil"), secret: "guessed",
                certificateRequest: try device.certificateRequest(), labels: .none, journal: device.journal)
            let body = site.folder.file("guess.json")
            try Data(try JSONText.encode(request)).write(to: URL(fileURLWithPath: body))
            let options = ["-H", "Content-Type: application/json", "--data-binary", "@" + body]
            let address = "https://" + site.deviceAddress + "/device/v1/enrol"
            var answers = try await Curl.statuses(address, times: Self.enrolments + 5, options)
            if answers.last != 429 { answers = try await Curl.statuses(address, times: Self.enrolments + 5, options) }
            #expect(Set(answers) == [403, 429] && answers.last == 429, "\(answers)")
            #expect(answers.count { $0 == 403 } <= Self.enrolments, "\(answers)")
            // The right one has to wait as well, and is not used up by that.
            let late = try await site.enrol("ward-2", join: try await site.joinFile())
            #expect(late.status != 0 && late.errors.contains("Too many attempts"), "\(late)")
            #expect(try await site.json([JoinTokenInfo].self, "token", "joins").map(\.usesLeft) == [1])
            #expect(try await device.poll().status == 204, "who has joined goes on")
            #expect(try await site.json([DeviceInfo].self, "devices", "list").map(\.device.text) == ["ward-1"])
        }
    }
}
