/// The ports of a server that sets none.
public enum DefaultPort {
    /// The port of the RPC, for clients.
    public static let rpc = 7878
    /// The port of the REST endpoint.
    public static let rest = 7880
    /// The port of probes and metrics.
    public static let ops = 7881
}
