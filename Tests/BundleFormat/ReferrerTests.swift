import BundleFormat
import MartletTypes
import TestSupport
import Testing

@Suite("Documents beside a release")
struct ReferrerTests {
    private let subject = Samples.descriptor("manifest", mediaType: MediaType.manifest)

    @Test("a referrer says what it is, what it is about, and comes back from its bytes")
    func roundTrip() throws {
        let made = Referrer(type: "text/plain", document: Array("hi".utf8), fileName: "hi.txt", about: subject)
        let bytes = try made.encoded(notes: ["a": "b"])
        #expect(try made.encoded(notes: ["a": "b"]) == bytes)
        #expect(try Referrer(parsing: bytes, type: "text/plain", about: subject.digest) == made)
        let manifest = try ImageManifest(parsing: bytes)
        #expect(manifest.artifactType == "text/plain" && manifest.subject == subject)
        #expect(manifest.pulledFiles.map(\.name) == ["hi.txt"])
        #expect(manifest.config.digest == .of(Referrer.emptyConfig))
    }

    @Test("what is about something else, of another type, or no single document is refused")
    func refused() throws {
        let made = Referrer(type: "text/plain", document: Array("hi".utf8), fileName: "hi.txt", about: subject)
        let bytes = try made.encoded()
        #expect(throws: BundleError.self) {
            try Referrer(parsing: bytes, type: "text/html", about: subject.digest)
        }
        #expect(throws: BundleError.self) {
            try Referrer(parsing: bytes, type: "text/plain", about: Samples.digest("other"))
        }
        for (from, to) in [("\"subject\"", "\"object\""), ("\"layers\":[", "\"layers\":[],\"l\":["), ("{", "[")] {
            let changed = try Samples.changed(bytes, from, to)
            #expect(throws: BundleError.self, "\(from)") {
                try Referrer(parsing: changed, type: "text/plain", about: subject.digest)
            }
        }
    }

    @Test("the files of a variant are those that pulling writes; what an engine reads is told from papers")
    func files() throws {
        let files = try ImageManifest(parsing: Samples.variant().encoded()).pulledFiles
        #expect(
            files.map(\.name) == [
                "tiny.gguf", "evaluation.jsonl", "probes.json", "README.md", "LICENSE", "chat_template.jinja",
            ])
        #expect(files.filter(\.reachesEngine).map(\.name) == ["tiny.gguf", "chat_template.jinja"])
        let adapter = try ImageManifest(parsing: Samples.adapterVariant().encoded()).pulledFiles
        #expect(adapter.map(\.reachesEngine) == [true, true])
    }

    @Test("a card's head and sections are read where cards have them; any other text is a card that says nothing")
    func card() {
        let card = ModelCard(
            parsing: Array(
                """
                ---
                license: "apache-2.0"   
                language: [en, 'de']
                # a comment
                datasets:
                - acme/messages
                - acme/more
                model-index:
                  - name: x
                    results: []
                ---
                # Tiny

                <p align="center">
                Names what a message
                is about.

                Not the summary.
                ## Intended uses
                Sorting.
                ### In detail
                Mail.
                ## Bias, Risks, and Limitations
                Knows eight words.
                ## Training
                Long ago.
                """.utf8))
        #expect(card.value("license") == "apache-2.0")
        #expect(card.head["language"] == ["en", "de"] && card.head["datasets"] == ["acme/messages", "acme/more"])
        #expect(card.summary == "Names what a message is about.")
        #expect(card.uses == "Sorting. Mail.")
        #expect(card.limitations == "Knows eight words.")
        for text in ["", "---", "---\n---", "- \n- a", "---\n: x\n[\n---\n", "\u{0}\n#\n##", "#"] {
            #expect(ModelCard(parsing: Array(text.utf8)).value("license") == nil)
        }
        #expect(ModelCard(parsing: [0xff, 0xfe, 0x0a]).uses == nil)
        let long = ModelCard(parsing: Array(String(repeating: "word ", count: 100_000).utf8))
        #expect((long.summary?.count ?? 0) <= 4000)
    }

    @Test("a bill of materials names every file by its hash, the base of an adapter, and no time")
    func bill() throws {
        let path = try ReleasePath("clinic/triage/1.2.0")
        let card = ModelCard(parsing: Array("---\nlicense: odd-licence\n---\nHello.".utf8))
        func bill(_ index: ReleaseIndex, _ variant: VariantManifest, _ card: ModelCard?) throws -> JSONValue {
            let made = MaterialsBill(
                release: path, index: index, digest: Samples.digest("index"), variants: [variant], card: card)
            #expect(try made.encoded() == made.encoded())
            return try JSONValue(parsing: made.encoded())
        }
        let model = try bill(Samples.model(), Samples.variant(), card)
        #expect(model["specVersion"]?.string == "1.6" && model["metadata"]?["timestamp"] == nil)
        let main = model["metadata"]?["component"]
        #expect(main?["type"]?.string == "machine-learning-model" && main?["description"]?.string == "Hello.")
        #expect(main?["group"]?.string == "clinic" && main?["name"]?.string == "triage")
        #expect(main?["licenses"]?.array?.first?["license"]?["name"]?.string == "odd-licence")
        let variant = model["components"]?.array?.first
        #expect(variant?["licenses"]?.array?.first?["license"]?["id"]?.string == "Apache-2.0")
        let names = (variant?["components"]?.array ?? []).compactMap { $0["name"]?.string }
        #expect(Set(names).count == 6 && names.first == "tiny.gguf")
        let hashes = (variant?["components"]?.array ?? []).compactMap {
            $0["hashes"]?.array?.first?["content"]?.string
        }
        #expect(hashes.contains(Samples.digest("weights").hex))
        let adapter = try bill(Samples.adapter(), Samples.adapterVariant(), nil)
        let ancestor = adapter["metadata"]?["component"]?["pedigree"]?["ancestors"]?.array?.first
        #expect(ancestor?["name"]?.string == "clinic/base")
        #expect(model["serialNumber"] == adapter["serialNumber"])
        let serial = try #require(model["serialNumber"]?.string)
        #expect(serial.wholeMatch(of: /urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}/) != nil)
    }

    @Test("model signatures travel in a bundle, under the digest of the variant that they are about")
    func bundled() throws {
        let folder = try TemporaryFolder()
        var sample = try SampleBundle()
        let (one, two) = (Samples.digest("one"), Samples.digest("two"))
        sample.front.signatures = [one: [Array("{\"a\":1}".utf8), Array("{}".utf8)], two: [Array("x".utf8)]]
        try sample.write(folder.file("bundle.tar"))
        let front = try BundleFile(path: folder.file("bundle.tar")).front()
        #expect(front.signatures == sample.front.signatures)
        #expect(front.manifests == sample.front.manifests)
        for name in ["signatures/\(one.hex)/0.json", "signatures/\(one.hex)/15.json"] {
            #expect(ArchivePath(name)?.description == name)
        }
        for name in [
            "signatures/\(one.hex)/16.json", "signatures/\(one.hex)/-1.json", "signatures/\(one.hex)/01.json",
            "signatures/\(one.hex)/0", "signatures/../0.json", "signatures/\(one.hex)", "signatures/ab/0.json",
        ] { #expect(ArchivePath(name) == nil, "\(name)") }
    }
}
