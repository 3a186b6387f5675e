IF SCHEMA_ID('{schema}') IS NULL EXEC('CREATE SCHEMA [{schema}]');

CREATE TABLE [{schema}].event (
    sequence BIGINT NOT NULL IDENTITY,
    run_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    at DATETIMEOFFSET(6) NOT NULL,
    facts NVARCHAR(max) NOT NULL,
    PRIMARY KEY (sequence)
);

CREATE INDEX event_by_run ON [{schema}].event (run_id, sequence);

CREATE TABLE [{schema}].flow (
    id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    version NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    manifest_hash NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    is_enabled SMALLINT NOT NULL,
    created_at DATETIMEOFFSET(6) NOT NULL,
    updated_at DATETIMEOFFSET(6) NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE [{schema}].flow_version (
    flow_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    manifest_hash NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    version NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    first_seen DATETIMEOFFSET(6) NOT NULL,
    last_seen DATETIMEOFFSET(6) NOT NULL,
    PRIMARY KEY (flow_id, manifest_hash)
);

CREATE TABLE [{schema}].idempotency_key (
    flow_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [key] NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
    run_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    created_at DATETIMEOFFSET(6) NOT NULL,
    outlives_run SMALLINT NOT NULL DEFAULT 0,
    PRIMARY KEY (flow_id, [key])
);

CREATE INDEX idempotency_key_orphans ON [{schema}].idempotency_key (created_at) WHERE outlives_run = 1;

CREATE TABLE [{schema}].limit_arrival (
    name NVARCHAR(250) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [key] NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
    on_time_at DATETIMEOFFSET(6) NOT NULL,
    PRIMARY KEY (name, [key])
);

CREATE TABLE [{schema}].limit_rule (
    name NVARCHAR(250) COLLATE Latin1_General_100_BIN2 NOT NULL,
    code NVARCHAR(max) NULL,
    override NVARCHAR(max) NULL,
    updated_at DATETIMEOFFSET(6) NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE [{schema}].manifest (
    hash NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    json NVARCHAR(max) NOT NULL,
    PRIMARY KEY (hash)
);

CREATE TABLE [{schema}].migration (
    version INTEGER NOT NULL,
    name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    applied_at DATETIMEOFFSET(6) NOT NULL,
    PRIMARY KEY (version)
);

CREATE TABLE [{schema}].payload (
    run_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    step_key NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
    kind NVARCHAR(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
    json NVARCHAR(max) NOT NULL,
    PRIMARY KEY (run_id, step_key, kind)
);

CREATE TABLE [{schema}].run (
    id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    flow_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    flow_name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    flow_version NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    manifest_hash NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    trigger_key NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    status NVARCHAR(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
    revision BIGINT NOT NULL,
    started_at DATETIMEOFFSET(6) NOT NULL,
    ended_at DATETIMEOFFSET(6) NULL,
    deadline DATETIMEOFFSET(6) NULL,
    stop_kind NVARCHAR(16) COLLATE Latin1_General_100_BIN2 NULL,
    stop_reason NVARCHAR(max) NULL,
    stop_at DATETIMEOFFSET(6) NULL,
    idempotency_key NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL,
    source_run_id CHAR(36) COLLATE Latin1_General_100_BIN2 NULL,
    scheduled_at DATETIMEOFFSET(6) NULL,
    parent_run_id CHAR(36) COLLATE Latin1_General_100_BIN2 NULL,
    parent_step_key NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL,
    parent_attempt INTEGER NULL,
    parent_waits SMALLINT NOT NULL DEFAULT 0,
    depth SMALLINT NOT NULL DEFAULT 0,
    concurrency_key NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL,
    tells_parent SMALLINT NOT NULL DEFAULT 0,
    suspended_at DATETIMEOFFSET(6) NULL,
    suspended_by NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
    suspend_reason NVARCHAR(max) NULL,
    notice_at DATETIMEOFFSET(6) NULL,
    notice_tries SMALLINT NOT NULL DEFAULT 0,
    priority SMALLINT NOT NULL,
    body NVARCHAR(max) NULL,
    headers NVARCHAR(max) NULL,
    tags NVARCHAR(max) NULL,
    PRIMARY KEY (id)
);

CREATE INDEX run_by_deadline ON [{schema}].run (deadline) WHERE deadline IS NOT NULL AND ended_at IS NULL;

CREATE INDEX run_by_flow ON [{schema}].run (flow_id, started_at, id);

CREATE INDEX run_by_flow_status ON [{schema}].run (flow_id, status, started_at, id);

CREATE INDEX run_by_parent ON [{schema}].run (parent_run_id, started_at, id) WHERE parent_run_id IS NOT NULL;

CREATE INDEX run_by_source ON [{schema}].run (source_run_id, started_at) WHERE source_run_id IS NOT NULL;

CREATE INDEX run_by_start ON [{schema}].run (started_at, id);

CREATE INDEX run_by_status ON [{schema}].run (status, started_at, id);

CREATE INDEX run_notices ON [{schema}].run (flow_id, notice_at) WHERE notice_at IS NOT NULL;

CREATE INDEX run_suspended ON [{schema}].run (started_at, id) WHERE suspended_at IS NOT NULL;

CREATE INDEX run_untold ON [{schema}].run (ended_at) WHERE tells_parent = 1;

CREATE TABLE [{schema}].run_tag (
    run_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    name NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    value NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    started_at DATETIMEOFFSET(6) NOT NULL,
    PRIMARY KEY (run_id, name)
);

CREATE INDEX run_tag_by_value ON [{schema}].run_tag (name, value, started_at, run_id);

CREATE TABLE [{schema}].schedule (
    flow_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    trigger_key NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    definition NVARCHAR(max) NOT NULL,
    override_cron NVARCHAR(max) NULL,
    paused_at DATETIMEOFFSET(6) NULL,
    paused_until DATETIMEOFFSET(6) NULL,
    pause_reason NVARCHAR(max) NULL,
    retired_at DATETIMEOFFSET(6) NULL,
    next_fire_at DATETIMEOFFSET(6) NULL,
    due_at DATETIMEOFFSET(6) NULL,
    waits_for CHAR(36) COLLATE Latin1_General_100_BIN2 NULL,
    last_tick_at DATETIMEOFFSET(6) NULL,
    backfill NVARCHAR(max) NULL,
    backfills SMALLINT NOT NULL,
    revision BIGINT NOT NULL,
    updated_at DATETIMEOFFSET(6) NOT NULL,
    PRIMARY KEY (flow_id, trigger_key)
);

CREATE INDEX schedule_backfills ON [{schema}].schedule (flow_id) WHERE backfills = 1;

CREATE INDEX schedule_by_due ON [{schema}].schedule (due_at) WHERE due_at IS NOT NULL;

CREATE INDEX schedule_waiting ON [{schema}].schedule (waits_for) WHERE waits_for IS NOT NULL;

CREATE TABLE [{schema}].signal (
    run_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    number INTEGER NOT NULL,
    name NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    deduplication_id NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL,
    payload NVARCHAR(max) NOT NULL,
    received_at DATETIMEOFFSET(6) NOT NULL,
    taken_by NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL,
    taken_attempt INTEGER NULL,
    taken_at DATETIMEOFFSET(6) NULL,
    PRIMARY KEY (run_id, id)
);

CREATE TABLE [{schema}].step (
    run_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    step_key NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
    scope NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
    type NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    flow_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    priority SMALLINT NOT NULL,
    concurrency_key NVARCHAR(400) COLLATE Latin1_General_100_BIN2 NULL,
    place INTEGER NOT NULL,
    status NVARCHAR(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
    attempt INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    settled SMALLINT NOT NULL DEFAULT 0,
    due_at DATETIMEOFFSET(6) NULL,
    wait NVARCHAR(16) COLLATE Latin1_General_100_BIN2 NULL,
    waiting_since DATETIMEOFFSET(6) NULL,
    skip NVARCHAR(32) COLLATE Latin1_General_100_BIN2 NULL,
    reason NVARCHAR(max) NULL,
    owner NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NULL,
    lease_until DATETIMEOFFSET(6) NULL,
    ready_at DATETIMEOFFSET(6) NULL,
    started_at DATETIMEOFFSET(6) NULL,
    ended_at DATETIMEOFFSET(6) NULL,
    progress NVARCHAR(max) NULL,
    input NVARCHAR(max) NULL,
    output NVARCHAR(max) NULL,
    error NVARCHAR(max) NULL,
    trace NVARCHAR(max) NULL,
    PRIMARY KEY (run_id, step_key)
);

CREATE INDEX step_leased ON [{schema}].step (lease_until) WHERE lease_until IS NOT NULL;

CREATE INDEX step_pending ON [{schema}].step (due_at) WHERE status = 'Pending';

CREATE INDEX step_ready ON [{schema}].step (flow_id, priority DESC, ready_at) WHERE status = 'Ready';

CREATE TABLE [{schema}].tick (
    flow_id CHAR(36) COLLATE Latin1_General_100_BIN2 NOT NULL,
    trigger_key NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    scheduled_at DATETIMEOFFSET(6) NOT NULL,
    outcome NVARCHAR(16) COLLATE Latin1_General_100_BIN2 NOT NULL,
    run_id CHAR(36) COLLATE Latin1_General_100_BIN2 NULL,
    recorded_at DATETIMEOFFSET(6) NOT NULL,
    why NVARCHAR(max) NULL,
    PRIMARY KEY (flow_id, trigger_key, scheduled_at)
);

CREATE INDEX tick_by_record ON [{schema}].tick (recorded_at);
