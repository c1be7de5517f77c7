import MartletTypes
import TUF
import Testing
import Trust

@Suite("Assignments")
struct AssignmentTests {
    static let now = Timestamp(seconds: 1_800_000_000)
    static let director = Result { try KeyPair.generate(.ed25519) }

    static func assignment(
        device: String = "ward-7", number: Int64 = 5, expires: Timestamp = now + .seconds(60)
    ) throws -> Assignment {
        let release = AssignedRelease(
            path: try ReleasePath("clinic/triage/1.2.0"), indexDigest: Digest.of([1]), length: 7)
        return Assignment(
            device: try DeviceID(device), number: number, issued: now, expires: expires,
            slots: [
                try SlotName("triage"): SlotAssignment(
                    releases: [release],
                    settings: SlotSettings(contextTokens: 2048, adapterScalesPermille: ["clinic/triage": 500]),
                    generation: number, rollout: try RolloutID("r-1"))
            ])
    }

    static func verify(
        _ bytes: [UInt8], by keys: [any Signer]? = nil, threshold: Int = 1, highest: Int64 = 5
    ) throws(Assignment.Refusal) -> Assignment {
        let signers: [any Signer] = (try? keys ?? [director.get()]) ?? []
        let table = Dictionary(signers.map { ($0.publicKey.keyID, $0.publicKey) }) { first, _ in first }
        let device: DeviceID
        do { device = try DeviceID("ward-7") } catch { throw .malformed("\(error)") }
        return try Assignment.verify(
            bytes, directorKeys: table, threshold: threshold, device: device, highestNumber: highest, now: now)
    }

    @Test("a signed assignment comes through whole, the same number again too", arguments: [0, 4, 5] as [Int64])
    func accepted(highest: Int64) throws {
        let assignment = try Self.assignment()
        let bytes = try assignment.signed(by: [Self.director.get()]).encoded()
        #expect(try Self.verify(bytes, highest: highest) == assignment)
    }

    @Test("an assignment of another device, an older number, or past its expiry is refused by name")
    func refused() throws {
        let key = try Self.director.get()
        let other = try Self.assignment(device: "ward-8").signed(by: [key]).encoded()
        #expect(throws: Assignment.Refusal.otherDevice(try DeviceID("ward-8"))) { try Self.verify(other) }
        let mine = try Self.assignment().signed(by: [key]).encoded()
        #expect(throws: Assignment.Refusal.olderNumber(received: 5, accepted: 6)) { try Self.verify(mine, highest: 6) }
        let expired = try Self.assignment(expires: Self.now).signed(by: [key]).encoded()
        #expect(throws: Assignment.Refusal.expired(Self.now)) { try Self.verify(expired) }
    }

    @Test("signatures of strangers, of too few directors, or over other bytes are refused")
    func signatures() throws {
        let key = try Self.director.get()
        let stranger = try KeyPair.generate(.ed25519)
        let second = try KeyPair.generate(.ecdsaP256)
        func isBadSignature(_ body: () throws -> Assignment) -> Bool {
            do {
                _ = try body()
                return false
            } catch Assignment.Refusal.badSignature {
                return true
            } catch {
                return false
            }
        }
        let good = try Self.assignment().signed(by: [key]).encoded()
        let forged = try Self.assignment().signed(by: [stranger]).encoded()
        #expect(isBadSignature { try Self.verify(forged) })
        #expect(isBadSignature { try Self.verify(good, by: [key, second], threshold: 2) })
        let both = try Self.assignment().signed(by: [key, second]).encoded()
        #expect(try Self.verify(both, by: [key, second], threshold: 2).number == 5)
        let tampered = String(decoding: good, as: UTF8.self).replacing("1.2.0", with: "1.1.0")
        #expect(isBadSignature { try Self.verify(Array(tampered.utf8)) })
    }

    @Test(
        "a document of another type, or none at all, does not pass for an assignment",
        arguments: [
            #"{"_type":"targets","version":1}"#, #"{}"#, #"{"_type":"martlet-assignment"}"#,
        ])
    func otherDocuments(text: String) throws {
        let key = try Self.director.get()
        let envelope = try SignedEnvelope.sign(JSONValue(parsing: Array(text.utf8)), by: [key])
        #expect(Self.isMalformed(envelope.encoded()))
        #expect(Self.isMalformed([]))
        #expect(Self.isMalformed(Array("null".utf8)))
        #expect(Self.isMalformed([UInt8](repeating: 0x20, count: Limits.assignmentBytes + 1)))
    }

    private static func isMalformed(_ bytes: [UInt8]) -> Bool {
        switch Result(catching: { () throws(Assignment.Refusal) in try verify(bytes) }) {
        case .failure(.malformed): true
        default: false
        }
    }

    @Test("the local policy refuses repositories and settings beyond it, by name")
    func policy() throws {
        let slot = try SlotName("triage")
        let policy = LocalPolicy(slots: [slot: ["clinic/triage", "lab/*"]], maxContextTokens: 4096)
        func refusal(_ path: String, _ settings: SlotSettings = SlotSettings(), in name: SlotName = slot) throws
            -> String?
        {
            let release = AssignedRelease(path: try ReleasePath(path), indexDigest: Digest.of([1]), length: 1)
            return policy.refusal(of: SlotAssignment(releases: [release], settings: settings, generation: 1), in: name)
        }
        #expect(try refusal("clinic/triage/1.0.0") == nil)
        #expect(try refusal("lab/x/y/1.0.0") == nil)
        #expect(try refusal("clinic/triage2/1.0.0")?.contains("clinic/triage2") == true)
        #expect(try refusal("laboratory/x/1.0.0") != nil)
        #expect(try refusal("clinic/triage/1.0.0", in: SlotName("other"))?.contains("nothing") == true)
        #expect(try refusal("clinic/triage/1.0.0", SlotSettings(contextTokens: 4096)) == nil)
        #expect(
            try refusal("clinic/triage/1.0.0", SlotSettings(contextTokens: 4097))?.contains("contextTokens") == true)
        #expect(try refusal("clinic/triage/1.0.0", SlotSettings(parallelRequests: 0)) != nil)
        let residency = SlotResidency(cpuPercent: 0)
        #expect(
            try refusal("clinic/triage/1.0.0", SlotSettings(residency: residency)) == "cpuPercent is outside 5 to 51200"
        )
    }

    @Test("the trust document survives its bytes and refuses keys under a wrong name")
    func trustDocument() throws {
        let key = try Self.director.get().publicKey
        let document = TrustDocument(
            directorKeys: [key.keyID: key], certificateAuthorities: ["PEM"], addresses: ["https://r.example:8443"])
        #expect(try TrustDocument(parsing: document.encoded()) == document)
        for (old, new) in [
            (key.keyID, "00"), (#""directorThreshold":1"#, #""directorThreshold":2"#),
            (#""directorThreshold":1"#, #""directorThreshold":0"#), (#""addresses":["#, #""addresses":[1,"#),
            (#""blobOrigins":[]"#, #""blobOrigins":{}"#),
        ] {
            let text = String(decoding: try document.encoded(), as: UTF8.self)
            #expect(text.contains(old))
            #expect(throws: (any Error).self) { try TrustDocument(parsing: Array(text.replacing(old, with: new).utf8)) }
        }
    }

    @Test("a join token is one string that comes back whole; anything else is refused without being repeated")
    func joinToken() throws {
        let token = JoinToken(
            registry: "https://r.example:8443", rootDigest: Digest.of([1]), caFingerprint: Digest.of([2]).hex,
            secret: "s3cret>>??")
        let text = try token.text()
        #expect(try JoinToken(parsing: text) == token)
        #expect(text.allSatisfy { $0.isASCII && !$0.isWhitespace && $0 != "+" && $0 != "/" && $0 != "=" })
        for bad in ["", "martlet-join.v1.", "martlet-join.v1.e30", text.dropLast(8) + "!", "martlet-join.v2." + text] {
            do {
                _ = try JoinToken(parsing: String(bad))
                Issue.record("accepted \(bad)")
            } catch {
                #expect(bad.isEmpty || !error.description.contains(bad))
            }
        }
    }
}
