CREATE TABLE floworch_event (
    sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run_id CHAR(36) NOT NULL,
    at BIGINT NOT NULL,
    facts TEXT NOT NULL
);

CREATE INDEX floworch_event_by_run ON floworch_event (run_id, sequence);

CREATE TABLE floworch_flow (
    id CHAR(36) NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    manifest_hash TEXT NOT NULL,
    is_enabled SMALLINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE floworch_flow_version (
    flow_id CHAR(36) NOT NULL,
    manifest_hash TEXT NOT NULL,
    version TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    PRIMARY KEY (flow_id, manifest_hash)
)
 WITHOUT ROWID;

CREATE TABLE floworch_idempotency_key (
    flow_id CHAR(36) NOT NULL,
    "key" TEXT NOT NULL,
    run_id CHAR(36) NOT NULL,
    created_at BIGINT NOT NULL,
    outlives_run SMALLINT DEFAULT 0 NOT NULL,
    PRIMARY KEY (flow_id, "key")
)
 WITHOUT ROWID;

CREATE INDEX floworch_idempotency_key_orphans ON floworch_idempotency_key (created_at) WHERE outlives_run = 1;

CREATE TABLE floworch_limit_arrival (
    name TEXT NOT NULL,
    "key" TEXT NOT NULL,
    on_time_at BIGINT NOT NULL,
    PRIMARY KEY (name, "key")
)
 WITHOUT ROWID;

CREATE TABLE floworch_limit_rule (
    name TEXT NOT NULL,
    code TEXT,
    override TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE floworch_manifest (
    hash TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (hash)
);

CREATE TABLE floworch_migration (
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    PRIMARY KEY (version)
);

CREATE TABLE floworch_payload (
    run_id CHAR(36) NOT NULL,
    step_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (run_id, step_key, kind)
);

CREATE TABLE floworch_run (
    id CHAR(36) NOT NULL,
    flow_id CHAR(36) NOT NULL,
    flow_name TEXT NOT NULL,
    flow_version TEXT NOT NULL,
    manifest_hash TEXT NOT NULL,
    trigger_key TEXT NOT NULL,
    status TEXT NOT NULL,
    revision BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    deadline BIGINT,
    stop_kind TEXT,
    stop_reason TEXT,
    stop_at BIGINT,
    idempotency_key TEXT,
    source_run_id CHAR(36),
    scheduled_at BIGINT,
    parent_run_id CHAR(36),
    parent_step_key TEXT,
    parent_attempt INTEGER,
    parent_waits SMALLINT DEFAULT 0 NOT NULL,
    depth SMALLINT DEFAULT 0 NOT NULL,
    concurrency_key TEXT,
    tells_parent SMALLINT DEFAULT 0 NOT NULL,
    suspended_at BIGINT,
    suspended_by TEXT,
    suspend_reason TEXT,
    notice_at BIGINT,
    notice_tries SMALLINT DEFAULT 0 NOT NULL,
    priority SMALLINT NOT NULL,
    body TEXT,
    headers TEXT,
    tags TEXT,
    PRIMARY KEY (id)
)
 WITHOUT ROWID;

CREATE INDEX floworch_run_by_deadline ON floworch_run (deadline) WHERE deadline IS NOT NULL AND ended_at IS NULL;

CREATE INDEX floworch_run_by_flow ON floworch_run (flow_id, started_at, id);

CREATE INDEX floworch_run_by_flow_status ON floworch_run (flow_id, status, started_at, id);

CREATE INDEX floworch_run_by_parent ON floworch_run (parent_run_id, started_at, id) WHERE parent_run_id IS NOT NULL;

CREATE INDEX floworch_run_by_source ON floworch_run (source_run_id, started_at) WHERE source_run_id IS NOT NULL;

CREATE INDEX floworch_run_by_start ON floworch_run (started_at, id);

CREATE INDEX floworch_run_by_status ON floworch_run (status, started_at, id);

CREATE INDEX floworch_run_notices ON floworch_run (flow_id, notice_at) WHERE notice_at IS NOT NULL;

CREATE INDEX floworch_run_suspended ON floworch_run (started_at, id) WHERE suspended_at IS NOT NULL;

CREATE INDEX floworch_run_untold ON floworch_run (ended_at) WHERE tells_parent = 1;

CREATE TABLE floworch_run_tag (
    run_id CHAR(36) NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    PRIMARY KEY (run_id, name)
)
 WITHOUT ROWID;

CREATE INDEX floworch_run_tag_by_value ON floworch_run_tag (name, value, started_at, run_id);

CREATE TABLE floworch_schedule (
    flow_id CHAR(36) NOT NULL,
    trigger_key TEXT NOT NULL,
    definition TEXT NOT NULL,
    override_cron TEXT,
    paused_at BIGINT,
    paused_until BIGINT,
    pause_reason TEXT,
    retired_at BIGINT,
    next_fire_at BIGINT,
    due_at BIGINT,
    waits_for CHAR(36),
    last_tick_at BIGINT,
    backfill TEXT,
    backfills SMALLINT NOT NULL,
    revision BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (flow_id, trigger_key)
);

CREATE INDEX floworch_schedule_backfills ON floworch_schedule (flow_id) WHERE backfills = 1;

CREATE INDEX floworch_schedule_by_due ON floworch_schedule (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX floworch_schedule_waiting ON floworch_schedule (waits_for) WHERE waits_for IS NOT NULL;

CREATE TABLE floworch_signal (
    run_id CHAR(36) NOT NULL,
    id CHAR(36) NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    deduplication_id TEXT,
    payload TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    taken_by TEXT,
    taken_attempt INTEGER,
    taken_at BIGINT,
    PRIMARY KEY (run_id, id)
)
 WITHOUT ROWID;

CREATE TABLE floworch_step (
    run_id CHAR(36) NOT NULL,
    step_key TEXT NOT NULL,
    scope TEXT NOT NULL,
    type TEXT NOT NULL,
    flow_id CHAR(36) NOT NULL,
    priority SMALLINT NOT NULL,
    concurrency_key TEXT,
    place INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    settled SMALLINT DEFAULT 0 NOT NULL,
    due_at BIGINT,
    wait TEXT,
    waiting_since BIGINT,
    skip TEXT,
    reason TEXT,
    owner TEXT,
    lease_until BIGINT,
    ready_at BIGINT,
    started_at BIGINT,
    ended_at BIGINT,
    progress TEXT,
    input TEXT,
    output TEXT,
    error TEXT,
    trace TEXT,
    PRIMARY KEY (run_id, step_key)
)
 WITHOUT ROWID;

CREATE INDEX floworch_step_leased ON floworch_step (lease_until) WHERE lease_until IS NOT NULL;

CREATE INDEX floworch_step_pending ON floworch_step (due_at) WHERE status = 'Pending';

CREATE INDEX floworch_step_ready ON floworch_step (flow_id, priority DESC, ready_at) WHERE status = 'Ready';

CREATE TABLE floworch_tick (
    flow_id CHAR(36) NOT NULL,
    trigger_key TEXT NOT NULL,
    scheduled_at BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    run_id CHAR(36),
    recorded_at BIGINT NOT NULL,
    why TEXT,
    PRIMARY KEY (flow_id, trigger_key, scheduled_at)
)
 WITHOUT ROWID;

CREATE INDEX floworch_tick_by_record ON floworch_tick (recorded_at);
