"""What several tests share: studies, servers, clusters, data, processes."""
