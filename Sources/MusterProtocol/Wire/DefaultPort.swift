/// The ports of a server whose operator sets none.
public enum DefaultPort {
    /// Of the RPC: what clients connect to.
    public static let rpc = 7878
    /// Of the REST endpoint.
    public static let rest = 7880
    /// Of probes and metrics.
    public static let ops = 7881
}
