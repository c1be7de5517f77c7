import BundleFormat
import MartletTypes
import Testing

@Suite("Release index")
struct ReleaseIndexTests {
    @Test("a release reads back as it was written, and equal releases are equal bytes")
    func roundTrip() throws {
        for release in [try Samples.model(), try Samples.adapter()] {
            let bytes = try release.encoded()
            #expect(try ReleaseIndex(parsing: bytes) == release)
            #expect(try ReleaseIndex(parsing: bytes).encoded() == bytes)
        }
    }

    @Test("an index is an OCI index that other tools read")
    func isOCI() throws {
        let index = try ImageIndex(parsing: try Samples.model().encoded())
        #expect(index.mediaType == "application/vnd.oci.image.index.v1+json")
        #expect(index.manifests.first?.platform == .any)
        #expect(index.manifests.first?.annotations?[AnnotationKey.quantization] == "Q4_0")
        #expect(index.annotations?["org.opencontainers.image.version"] == "1.2.0")
    }

    @Test(
        "a wrong index is refused and the field named",
        arguments: [
            (#""schemaVersion":2"#, #""schemaVersion":1"#, BundleError.Code.unsupported, "schemaVersion"),
            ("vnd.oci.image.index.v1+json", "vnd.oci.image.index.v9+json", .unsupported, "mediaType"),
            ("vnd.martlet.release.v1+json", "vnd.martlet.other.v1+json", .unsupported, "artifactType"),
            (
                #""dev.martlet.release.kind":"model""#, #""dev.martlet.release.kind":"virus""#, .unsupported,
                "release.kind"
            ),
            (#""dev.martlet.release.kind":"model""#, #""dev.martlet.release.kind":"engine""#, .contradiction, "shape"),
            (
                #""dev.martlet.release.kind":"model""#, #""dev.martlet.release.kind":"adapter""#, .contradiction,
                "adapter"
            ),
            (
                #""org.opencontainers.image.version":"1.2.0""#, #""org.opencontainers.image.version":"1.2""#, .invalid,
                "version"
            ),
            (#""size":1000"#, #""size":-1"#, .invalid, "manifests[0].size"),
            (#""size":1000"#, #""size":5000000"#, .tooLarge, "manifests[0].size"),
            (#""size":1000"#, #""size":1e99"#, .malformed, ""),
            (#""size":1000"#, #""size":"1000""#, .malformed, "size"),
            (#""variant.size":"1000""#, #""variant.size":"-1""#, .invalid, "variant.size"),
            (#""variant.size":"1000""#, #""variant.size":"01000""#, .invalid, "variant.size"),
            (#""variant.memory":"2000""#, #""variant.memory":"9223372036854775808""#, .invalid, "variant.memory"),
            (
                #""dev.martlet.variant.engine":"llama.cpp""#, #""dev.martlet.variant.engine":"/bin/sh -c""#, .invalid,
                "engine"
            ),
            (#""variant.engine.version":"0.7.0""#, #""variant.engine.version":"latest""#, .invalid, "engine.version"),
            ("asimd,dotprod", "asimd,asimd", .invalid, "variant.cpu"),
            ("asimd,dotprod", "asimd,,dotprod", .invalid, "variant.cpu"),
            (#"variant.quantization":"Q4_0""#, #"variant.quantization":"Q8_0""#, .contradiction, "quantization"),
            (#"variant.quantization":"Q4_0""#, #"variant.quantization":"../x""#, .invalid, "quantization"),
            (#"\"contextLength\":512"#, #"\"contextLength\":-5"#, .invalid, "shape"),
            (#"\"tensorBytes\":900"#, #"\"tensorBytes\":1001"#, .invalid, "shape"),
            (#""digest":"sha256:"#, #""digest":"sha257:"#, .invalid, "digest"),
            (#""platform""#, #""platfrom""#, .missing, "platform"),
        ])
    func refusals(from: String, to: String, code: BundleError.Code, field: String) throws {
        // The texts leave out the common prefix of our annotation keys.
        let prefixed = { (text: String) in
            text.hasPrefix(#""variant."#) ? text.replacing(#""variant."#, with: #""dev.martlet.variant."#) : text
        }
        let bytes = try Samples.changed(try Samples.model().encoded(), prefixed(from), prefixed(to))
        let error = #expect(throws: BundleError.self) { try ReleaseIndex(parsing: bytes) }
        #expect(error?.reason == code)
        #expect(error.map { $0.field.contains(field) || $0.detail.contains(field) } == true, "\(error?.field ?? "")")
    }

    @Test("an adapter without its base, and a model with one, are refused")
    func bindings() throws {
        let adapter = try Samples.adapter()
        for key in ["dev.martlet.base.release", "dev.martlet.base.index"] {
            let bytes = try Samples.changed(try adapter.encoded(), key, "dev.martlet.base.other")
            #expect(throws: BundleError.self) { try ReleaseIndex(parsing: bytes) }
        }
        let annotated = try Samples.changed(
            try Samples.model().encoded(), #""dev.martlet.release.kind""#,
            #""dev.martlet.base.release":"a/b/1.0.0","dev.martlet.release.kind""#)
        #expect(throws: BundleError.self) { try ReleaseIndex(parsing: annotated) }
    }

    @Test("the same variant twice, none, and too many are refused")
    func counts() throws {
        let version = try SemanticVersion("1.0.0")
        let many = (0...Limits.variantsPerRelease).map { Samples.entry("m\($0)") }
        for variants in [[], [Samples.entry(), Samples.entry()], many] {
            #expect(throws: BundleError.self) {
                try ReleaseIndex(kind: .model, version: version, variants: variants)
            }
        }
    }

    @Test("bytes other than the verified target's are refused")
    func promised() throws {
        let bytes = try Samples.model().encoded()
        _ = try ReleaseIndex(parsing: bytes, digest: .of(bytes), length: ByteCount(bytes.count))
        let other = #expect(throws: BundleError.self) {
            try ReleaseIndex(parsing: bytes + [0x20], digest: .of(bytes), length: ByteCount(bytes.count + 1))
        }
        #expect(other?.reason == .digestMismatch)
        let longer = #expect(throws: BundleError.self) {
            try ReleaseIndex(parsing: bytes, digest: .of(bytes), length: ByteCount(bytes.count - 1))
        }
        #expect(longer?.reason == .sizeMismatch)
    }

    @Test(
        "what is no JSON, too long or nested without end is refused",
        arguments: [
            "", "{", "[]", "null", "{}", "\u{0}", #"{"schemaVersion":2,"manifests":{}}"#,
            String(repeating: "[", count: 100_000),
        ])
    func garbage(text: String) {
        #expect(throws: BundleError.self) { try ReleaseIndex(parsing: Array(text.utf8)) }
    }

    @Test("an index over the limit is refused before it is parsed")
    func tooLong() {
        let error = #expect(throws: BundleError.self) {
            try ReleaseIndex(parsing: [UInt8](repeating: 0x20, count: Limits.manifestBytes + 1))
        }
        #expect(error?.reason == .tooLarge)
    }
}

@Suite("Variant manifest")
struct VariantManifestTests {
    @Test("a variant reads back as it was written, and lists every blob once")
    func roundTrip() throws {
        for variant in [try Samples.variant(), try Samples.adapterVariant()] {
            let bytes = try variant.encoded()
            #expect(try VariantManifest(parsing: bytes) == variant)
            #expect(try VariantManifest(parsing: bytes).encoded() == bytes)
        }
        #expect(try Samples.variant().blobs.count == 7)
        #expect(try Samples.adapterVariant().blobs.map(\.digest) == ["config", "weights", "lora"].map(Samples.digest))
    }

    @Test("layers carry the names and types by which other tools unpack them")
    func isModelPack() throws {
        let manifest = try ImageManifest(parsing: try Samples.variant().encoded())
        #expect(manifest.artifactType == "application/vnd.cncf.model.manifest.v1+json")
        #expect(manifest.config.mediaType == "application/vnd.cncf.model.config.v1+json")
        #expect(manifest.layers.first?.mediaType == "application/vnd.cncf.model.weight.v1.raw")
        for layer in manifest.layers {
            let title = try #require(layer.annotations?["org.opencontainers.image.title"])
            #expect(layer.annotations?["org.cncf.model.filepath"] == title)
        }
    }

    @Test(
        "a wrong manifest is refused",
        arguments: [
            (
                #""dev.martlet.layer.role":"model""#, #""dev.martlet.layer.role":"adapter""#,
                BundleError.Code.contradiction
            ),
            (#""dev.martlet.layer.role":"model""#, #""dev.martlet.layer.role":"base""#, .contradiction),
            (#""dev.martlet.layer.role":"model""#, #""dev.martlet.layer.role":"script""#, .unsupported),
            (#""dev.martlet.layer.role":"card""#, #""dev.martlet.layer.role":"license""#, .duplicate),
            (#""dev.martlet.layer.role":"model""#, #""dev.martlet.layer.role":"card""#, .contradiction),
            (
                #""org.opencontainers.image.title":"tiny.gguf""#, #""org.opencontainers.image.title":"../tiny.gguf""#,
                .unsafeName
            ),
            ("tiny.gguf", "a/tiny.gguf", .unsafeName), ("tiny.gguf", "/etc/passwd", .unsafeName),
            ("tiny.gguf", ".hidden", .unsafeName), ("tiny.gguf", "a..b", .unsafeName),
            ("tiny.gguf", #"a\\b"#, .unsafeName),
            ("tiny.gguf", #"a\u0000b"#, .unsafeName), ("tiny.gguf", "", .unsafeName), ("tiny.gguf", "-rf", .unsafeName),
            ("tiny.gguf", String(repeating: "x", count: 256), .unsafeName),
            (#""org.cncf.model.filepath":"tiny.gguf""#, #""org.cncf.model.filepath":"other""#, .contradiction),
            ("vnd.cncf.model.manifest.v1+json", "vnd.other.manifest.v1+json", .unsupported),
            ("vnd.cncf.model.config.v1+json", "vnd.other.config.v1+json", .unsupported),
            (#"\"minAccuracy\":0.9"#, #"\"minAccuracy\":1.1"#, .invalid),
            (#"\"minAccuracy\":0.9"#, #"\"minAccuracy\":-0.1"#, .invalid),
            (#"\"minAccuracy\":0.9"#, #"\"minAccuracy\":\"high\""#, .malformed),
            (#"\"rows\":60"#, #"\"rows\":0"#, .invalid),
            (#"dev.martlet.variant.shape"#, "dev.martlet.variant.form", .missing),
            (#"\"headCount\":4"#, #"\"headCount\":-4"#, .invalid),
        ])
    func refusals(from: String, to: String, code: BundleError.Code) throws {
        let bytes = try Samples.changed(try Samples.variant().encoded(), from, to)
        let error = #expect(throws: BundleError.self) { try VariantManifest(parsing: bytes) }
        #expect(error?.reason == code, "\(error?.description ?? "")")
    }

    @Test("weights of the same digest or name, of no length, and a second adapter are refused")
    func weights() throws {
        func layer(_ text: String, _ name: String, _ role: WeightLayer.Role = .model, size: Int = 10) -> WeightLayer {
            WeightLayer(descriptor: Samples.descriptor(text, size: size), role: role, fileName: name)
        }
        let cases: [([WeightLayer], Bool)] = [
            ([layer("a", "a"), layer("a", "b")], false), ([layer("a", "a"), layer("b", "a")], false),
            ([layer("a", "a", size: 0)], false), ([], false), ([layer("a", "a", .base)], true),
            ([layer("a", "a", .adapter)], true), ([layer("a", "a", .model), layer("b", "b", .adapter)], true),
            ([layer("a", "a", .base), layer("b", "b", .adapter), layer("c", "c", .adapter)], true),
        ]
        for (weights, isAdapter) in cases {
            #expect(throws: BundleError.self) {
                try VariantManifest(
                    config: Samples.descriptor("config"), weights: weights, shape: Samples.shape(),
                    adapterShape: isAdapter ? Samples.shape("F16", isAdapter: true) : nil)
            }
        }
    }

    @Test("a threshold without an evaluation set is refused")
    func threshold() {
        #expect(throws: BundleError.self) {
            try VariantManifest(
                config: Samples.descriptor("config"),
                weights: [WeightLayer(descriptor: Samples.descriptor("a"), role: .model, fileName: "a.gguf")],
                threshold: EvaluationThreshold(minAccuracy: 0.5), shape: Samples.shape())
        }
    }

    @Test("the config names what ModelPack wants")
    func config() throws {
        let config = ModelConfig(
            descriptor: .init(family: "llama", name: "Tiny", version: "1.0.0", licenses: ["apache-2.0"]),
            config: .init(architecture: "llama", format: "gguf", paramSize: "1.3M", quantization: "Q4_0"),
            modelfs: .init(diffIds: [Samples.digest("weights")]))
        let bytes = try config.encoded()
        #expect(try ModelConfig(parsing: bytes) == config)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains(#""modelfs":{"diffIds":["sha256:"#) && text.contains(#""type":"layers""#))
    }
}
