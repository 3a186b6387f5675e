-- bulk: insert_key
INSERT OR IGNORE INTO floworch_idempotency_key ("flow_id", "key", "run_id", "created_at")
SELECT * FROM (VALUES (?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: insert_run
INSERT INTO floworch_run ("id", "flow_id", "flow_name", "flow_version", "manifest_hash", "trigger_key", "started_at", "idempotency_key", "source_run_id", "priority", "concurrency_key", "body", "headers", "tags", "status", "deadline", "stop_kind", "stop_reason", "stop_at", "ended_at", "revision")
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: insert_tick_run
INSERT INTO floworch_run ("id", "flow_id", "flow_name", "flow_version", "manifest_hash", "trigger_key", "started_at", "idempotency_key", "source_run_id", "priority", "concurrency_key", "body", "headers", "tags", "scheduled_at", "status", "deadline", "stop_kind", "stop_reason", "stop_at", "ended_at", "revision")
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: insert_child
INSERT INTO floworch_run ("id", "flow_id", "flow_name", "flow_version", "manifest_hash", "trigger_key", "started_at", "idempotency_key", "source_run_id", "priority", "concurrency_key", "body", "headers", "tags", "parent_run_id", "parent_step_key", "parent_attempt", "parent_waits", "depth", "status", "deadline", "stop_kind", "stop_reason", "stop_at", "ended_at", "revision")
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: insert_tag
INSERT INTO floworch_run_tag ("run_id", "name", "value", "started_at")
SELECT * FROM (VALUES (?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: tell_parent
UPDATE floworch_run AS t
SET tells_parent = 1
FROM (VALUES (?)) AS v
WHERE t."id" = v.column1;

-- bulk: suspend_run
UPDATE floworch_run AS t
SET "suspended_at" = v.column1, "suspended_by" = v.column2, "suspend_reason" = v.column3
FROM (VALUES (?, ?, ?, ?)) AS v
WHERE t."id" = v.column4;

-- bulk: move_run
UPDATE floworch_run AS t
SET "manifest_hash" = v.column1, "flow_version" = v.column2
FROM (VALUES (?, ?, ?)) AS v
WHERE t."id" = v.column3;

-- bulk: mark_end
UPDATE floworch_run AS t
SET "notice_at" = v.column1, notice_tries = 0
FROM (VALUES (?, ?)) AS v
WHERE t."id" = v.column2;

-- bulk: hear_of
UPDATE floworch_run AS t
SET tells_parent = 0
FROM (VALUES (?)) AS v
WHERE t."id" = v.column1;

-- bulk: advance_run
UPDATE floworch_run AS t
SET "status" = v.column1, "deadline" = v.column2, "stop_kind" = v.column3, "stop_reason" = v.column4, "stop_at" = v.column5, "ended_at" = v.column6, "revision" = v.column7
FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)) AS v
WHERE t."id" = v.column8 AND t."revision" = v.column9;

-- bulk: touch_run
UPDATE floworch_run AS t
SET revision = t.revision + 1
FROM (VALUES (?, ?)) AS v
WHERE t."id" = v.column1 AND t."revision" = v.column2;

-- bulk: insert_step
INSERT OR IGNORE INTO floworch_step ("run_id", "step_key", "scope", "type", "flow_id", "priority", "concurrency_key", "place", "status", "attempt", "failures", "lost", "due_at", "wait", "waiting_since", "skip", "reason", "owner", "ready_at", "started_at", "ended_at", "progress", "lease_until", "input", "output", "error", "trace")
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: change_step
UPDATE floworch_step AS t
SET "status" = v.column1, "attempt" = v.column2, "failures" = v.column3, "lost" = v.column4, "due_at" = v.column5, "wait" = v.column6, "waiting_since" = v.column7, "skip" = v.column8, "reason" = v.column9, "owner" = v.column10, "ready_at" = v.column11, "started_at" = v.column12, "ended_at" = v.column13, "progress" = v.column14, "lease_until" = v.column15, "input" = v.column16, "output" = v.column17, "error" = v.column18, "trace" = v.column19
FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) AS v
WHERE t."run_id" = v.column20 AND t."step_key" = v.column21 AND t."status" = v.column22 AND t."attempt" = v.column23;

-- bulk: remove_step
DELETE FROM floworch_step
WHERE ("run_id", "step_key") IN (VALUES (?, ?));

-- bulk: settle_scope
UPDATE floworch_step AS t
SET settled = 1
FROM (VALUES (?, ?, ?, ?)) AS v
WHERE t."run_id" = v.column1 AND t."step_key" >= v.column2 AND t."step_key" < v.column3 AND t."scope" = v.column4;

-- bulk: revive_scope
UPDATE floworch_step AS t
SET settled = 0
FROM (VALUES (?, ?, ?, ?)) AS v
WHERE t."run_id" = v.column1 AND t."step_key" >= v.column2 AND t."step_key" < v.column3 AND t."scope" = v.column4;

-- bulk: claim_step
UPDATE floworch_step AS t
SET "owner" = v.column1, "started_at" = v.column2, "lease_until" = v.column3, status = 'Running', attempt = t.attempt + 1, due_at = NULL, wait = NULL, input = NULL, output = NULL, error = NULL, trace = NULL
FROM (VALUES (?, ?, ?, ?, ?, ?)) AS v
WHERE t."run_id" = v.column4 AND t."step_key" = v.column5 AND t."attempt" = v.column6 AND t.status = 'Ready' AND EXISTS (SELECT 1 FROM floworch_run AS r WHERE r.id = t.run_id AND r.status NOT IN ('Cancelled', 'Failed', 'Skipped', 'Succeeded', 'TimedOut'));

-- bulk: renew_lease
UPDATE floworch_step AS t
SET "lease_until" = v.column1
FROM (VALUES (?, ?, ?, ?, ?)) AS v
WHERE t."run_id" = v.column2 AND t."step_key" = v.column3 AND t."attempt" = v.column4 AND t."owner" = v.column5 AND t.status = 'Running';

-- bulk: insert_signal
INSERT INTO floworch_signal ("run_id", "id", "number", "name", "deduplication_id", "payload", "received_at")
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: take_signal
UPDATE floworch_signal AS t
SET "taken_by" = v.column1, "taken_attempt" = v.column2, "taken_at" = v.column3
FROM (VALUES (?, ?, ?, ?, ?)) AS v
WHERE t."run_id" = v.column4 AND t."id" = v.column5 AND t.taken_by IS NULL;

-- bulk: insert_payload
INSERT INTO floworch_payload ("run_id", "step_key", "kind", "json")
SELECT * FROM (VALUES (?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: remove_payload
DELETE FROM floworch_payload
WHERE ("run_id", "step_key", "kind") IN (VALUES (?, ?, ?));

-- bulk: insert_event
INSERT INTO floworch_event ("run_id", "at", "facts")
SELECT * FROM (VALUES (?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: insert_manifest
INSERT OR IGNORE INTO floworch_manifest ("hash", "json")
SELECT * FROM (VALUES (?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: insert_flow
INSERT OR IGNORE INTO floworch_flow ("id", "name", "version", "manifest_hash", "is_enabled", "created_at", "updated_at")
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: insert_version
INSERT OR IGNORE INTO floworch_flow_version ("flow_id", "manifest_hash", "version", "first_seen", "last_seen")
SELECT * FROM (VALUES (?, ?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: change_version
UPDATE floworch_flow_version AS t
SET "version" = v.column1, "last_seen" = v.column2
FROM (VALUES (?, ?, ?, ?)) AS v
WHERE t."flow_id" = v.column3 AND t."manifest_hash" = v.column4;

-- bulk: change_flow
UPDATE floworch_flow AS t
SET "name" = v.column1, "version" = v.column2, "manifest_hash" = v.column3, "updated_at" = v.column4
FROM (VALUES (?, ?, ?, ?, ?)) AS v
WHERE t."id" = v.column5;

-- bulk: delete_events
DELETE FROM floworch_event
WHERE ("run_id") IN (VALUES (?));

-- bulk: delete_payloads
DELETE FROM floworch_payload
WHERE ("run_id") IN (VALUES (?));

-- bulk: delete_steps
DELETE FROM floworch_step
WHERE ("run_id") IN (VALUES (?));

-- bulk: delete_signals
DELETE FROM floworch_signal
WHERE ("run_id") IN (VALUES (?));

-- bulk: delete_tags
DELETE FROM floworch_run_tag
WHERE ("run_id") IN (VALUES (?));

-- bulk: delete_run
DELETE FROM floworch_run
WHERE ("id") IN (VALUES (?));

-- bulk: delete_key
DELETE FROM floworch_idempotency_key
WHERE ("flow_id", "key", "run_id") IN (VALUES (?, ?, ?));

-- bulk: orphan_key
UPDATE floworch_idempotency_key AS t
SET outlives_run = 1
FROM (VALUES (?, ?, ?)) AS v
WHERE t."flow_id" = v.column1 AND t."key" = v.column2 AND t."run_id" = v.column3;

-- bulk: insert_schedule
INSERT OR IGNORE INTO floworch_schedule ("flow_id", "trigger_key", "definition", "override_cron", "paused_at", "paused_until", "pause_reason", "retired_at", "next_fire_at", "due_at", "waits_for", "last_tick_at", "backfill", "backfills", "revision", "updated_at")
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: change_schedule
UPDATE floworch_schedule AS t
SET "definition" = v.column1, "override_cron" = v.column2, "paused_at" = v.column3, "paused_until" = v.column4, "pause_reason" = v.column5, "retired_at" = v.column6, "next_fire_at" = v.column7, "due_at" = v.column8, "waits_for" = v.column9, "last_tick_at" = v.column10, "backfill" = v.column11, "backfills" = v.column12, "revision" = v.column13, "updated_at" = v.column14
FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) AS v
WHERE t."flow_id" = v.column15 AND t."trigger_key" = v.column16 AND t."revision" = v.column17;

-- bulk: insert_tick
INSERT INTO floworch_tick ("flow_id", "trigger_key", "scheduled_at", "outcome", "run_id", "recorded_at", "why")
SELECT * FROM (VALUES (?, ?, ?, ?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: delete_tick
DELETE FROM floworch_tick
WHERE ("flow_id", "trigger_key", "scheduled_at") IN (VALUES (?, ?, ?));

-- bulk: insert_rule
INSERT OR IGNORE INTO floworch_limit_rule ("name", "code", "override", "updated_at")
SELECT * FROM (VALUES (?, ?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: change_rule
UPDATE floworch_limit_rule AS t
SET "code" = v.column1, "updated_at" = v.column2
FROM (VALUES (?, ?, ?)) AS v
WHERE t."name" = v.column3;

-- bulk: insert_arrival
INSERT OR IGNORE INTO floworch_limit_arrival ("name", "key", "on_time_at")
SELECT * FROM (VALUES (?, ?, ?)) AS v WHERE v.column1 IS NOT NULL;

-- bulk: change_arrival
UPDATE floworch_limit_arrival AS t
SET "on_time_at" = v.column1
FROM (VALUES (?, ?, ?)) AS v
WHERE t."name" = v.column2 AND t."key" = v.column3;

-- survey: runs
SELECT floworch_run.id, floworch_run.revision
FROM floworch_run
WHERE floworch_run.id IN (__[POSTCOMPILE_id_1]) ORDER BY floworch_run.id;

-- survey: steps
SELECT floworch_step.run_id, floworch_step.step_key, floworch_step.status, floworch_step.attempt
FROM floworch_step
WHERE floworch_step.run_id IN (__[POSTCOMPILE_run_id_1]) AND floworch_step.step_key IN (__[POSTCOMPILE_step_key_1]) ORDER BY floworch_step.run_id, floworch_step.step_key;

-- retention: runs
SELECT floworch_run.id, floworch_run.flow_id, floworch_run.idempotency_key, floworch_run.started_at
FROM floworch_run
WHERE floworch_run.status IN (__[POSTCOMPILE_status_1]) AND floworch_run.started_at < ? AND floworch_run.ended_at < ? AND floworch_run.tells_parent = ?
 LIMIT ? OFFSET ?;

-- retention: keys
SELECT floworch_idempotency_key.flow_id, floworch_idempotency_key."key", floworch_idempotency_key.run_id
FROM floworch_idempotency_key
WHERE floworch_idempotency_key.outlives_run = 1 AND floworch_idempotency_key.created_at < ?
 LIMIT ? OFFSET ?;

-- schedules: what is due
SELECT 'disabled' AS kind, anon_1.flow_id, anon_1.trigger_key, anon_1.definition, anon_1.override_cron, anon_1.paused_at, anon_1.paused_until, anon_1.pause_reason, anon_1.retired_at, anon_1.next_fire_at, anon_1.due_at, anon_1.waits_for, anon_1.last_tick_at, anon_1.backfill, anon_1.backfills, anon_1.revision, anon_1.updated_at
FROM (SELECT floworch_flow.id AS flow_id, CAST(NULL AS TEXT) AS trigger_key, CAST(NULL AS TEXT) AS definition, CAST(NULL AS TEXT) AS override_cron, CAST(NULL AS BIGINT) AS paused_at, CAST(NULL AS BIGINT) AS paused_until, CAST(NULL AS TEXT) AS pause_reason, CAST(NULL AS BIGINT) AS retired_at, CAST(NULL AS BIGINT) AS next_fire_at, CAST(NULL AS BIGINT) AS due_at, CAST(NULL AS CHAR(36)) AS waits_for, CAST(NULL AS BIGINT) AS last_tick_at, CAST(NULL AS TEXT) AS backfill, CAST(NULL AS SMALLINT) AS backfills, CAST(NULL AS BIGINT) AS revision, CAST(NULL AS BIGINT) AS updated_at
FROM floworch_flow
WHERE floworch_flow.id IN (__[POSTCOMPILE_id_1]) AND floworch_flow.is_enabled = ?) AS anon_1 UNION ALL SELECT 'due' AS kind, anon_2.flow_id, anon_2.trigger_key, anon_2.definition, anon_2.override_cron, anon_2.paused_at, anon_2.paused_until, anon_2.pause_reason, anon_2.retired_at, anon_2.next_fire_at, anon_2.due_at, anon_2.waits_for, anon_2.last_tick_at, anon_2.backfill, anon_2.backfills, anon_2.revision, anon_2.updated_at
FROM (SELECT floworch_schedule.flow_id AS flow_id, floworch_schedule.trigger_key AS trigger_key, floworch_schedule.definition AS definition, floworch_schedule.override_cron AS override_cron, floworch_schedule.paused_at AS paused_at, floworch_schedule.paused_until AS paused_until, floworch_schedule.pause_reason AS pause_reason, floworch_schedule.retired_at AS retired_at, floworch_schedule.next_fire_at AS next_fire_at, floworch_schedule.due_at AS due_at, floworch_schedule.waits_for AS waits_for, floworch_schedule.last_tick_at AS last_tick_at, floworch_schedule.backfill AS backfill, floworch_schedule.backfills AS backfills, floworch_schedule.revision AS revision, floworch_schedule.updated_at AS updated_at
FROM floworch_schedule
WHERE floworch_schedule.due_at IS NOT NULL AND floworch_schedule.due_at <= ? AND (EXISTS (SELECT *
FROM floworch_flow
WHERE floworch_flow.id = floworch_schedule.flow_id AND floworch_flow.id IN (__[POSTCOMPILE_id_2]) AND floworch_flow.is_enabled = 1)) ORDER BY floworch_schedule.due_at
 LIMIT ? OFFSET ?) AS anon_2 UNION ALL SELECT 'due' AS kind, anon_3.flow_id, anon_3.trigger_key, anon_3.definition, anon_3.override_cron, anon_3.paused_at, anon_3.paused_until, anon_3.pause_reason, anon_3.retired_at, anon_3.next_fire_at, anon_3.due_at, anon_3.waits_for, anon_3.last_tick_at, anon_3.backfill, anon_3.backfills, anon_3.revision, anon_3.updated_at
FROM (SELECT floworch_schedule.flow_id AS flow_id, floworch_schedule.trigger_key AS trigger_key, floworch_schedule.definition AS definition, floworch_schedule.override_cron AS override_cron, floworch_schedule.paused_at AS paused_at, floworch_schedule.paused_until AS paused_until, floworch_schedule.pause_reason AS pause_reason, floworch_schedule.retired_at AS retired_at, floworch_schedule.next_fire_at AS next_fire_at, floworch_schedule.due_at AS due_at, floworch_schedule.waits_for AS waits_for, floworch_schedule.last_tick_at AS last_tick_at, floworch_schedule.backfill AS backfill, floworch_schedule.backfills AS backfills, floworch_schedule.revision AS revision, floworch_schedule.updated_at AS updated_at
FROM floworch_schedule
WHERE floworch_schedule.waits_for IS NOT NULL AND NOT (EXISTS (SELECT *
FROM floworch_run
WHERE floworch_run.id = floworch_schedule.waits_for AND (floworch_run.status NOT IN (__[POSTCOMPILE_status_1])))) AND (EXISTS (SELECT *
FROM floworch_flow
WHERE floworch_flow.id = floworch_schedule.flow_id AND floworch_flow.id IN (__[POSTCOMPILE_id_3]) AND floworch_flow.is_enabled = 1))
 LIMIT ? OFFSET ?) AS anon_3 UNION ALL SELECT 'backfill' AS kind, anon_4.flow_id, anon_4.trigger_key, anon_4.definition, anon_4.override_cron, anon_4.paused_at, anon_4.paused_until, anon_4.pause_reason, anon_4.retired_at, anon_4.next_fire_at, anon_4.due_at, anon_4.waits_for, anon_4.last_tick_at, anon_4.backfill, anon_4.backfills, anon_4.revision, anon_4.updated_at
FROM (SELECT floworch_schedule.flow_id AS flow_id, floworch_schedule.trigger_key AS trigger_key, floworch_schedule.definition AS definition, floworch_schedule.override_cron AS override_cron, floworch_schedule.paused_at AS paused_at, floworch_schedule.paused_until AS paused_until, floworch_schedule.pause_reason AS pause_reason, floworch_schedule.retired_at AS retired_at, floworch_schedule.next_fire_at AS next_fire_at, floworch_schedule.due_at AS due_at, floworch_schedule.waits_for AS waits_for, floworch_schedule.last_tick_at AS last_tick_at, floworch_schedule.backfill AS backfill, floworch_schedule.backfills AS backfills, floworch_schedule.revision AS revision, floworch_schedule.updated_at AS updated_at
FROM floworch_schedule
WHERE floworch_schedule.backfills = 1 AND (EXISTS (SELECT *
FROM floworch_flow
WHERE floworch_flow.id = floworch_schedule.flow_id AND floworch_flow.id IN (__[POSTCOMPILE_id_4]) AND floworch_flow.is_enabled = 1))
 LIMIT ? OFFSET ?) AS anon_4 UNION ALL SELECT 'next' AS kind, anon_5.flow_id, anon_5.trigger_key, anon_5.definition, anon_5.override_cron, anon_5.paused_at, anon_5.paused_until, anon_5.pause_reason, anon_5.retired_at, anon_5.next_fire_at, anon_5.due_at, anon_5.waits_for, anon_5.last_tick_at, anon_5.backfill, anon_5.backfills, anon_5.revision, anon_5.updated_at
FROM (SELECT floworch_schedule.flow_id AS flow_id, floworch_schedule.trigger_key AS trigger_key, floworch_schedule.definition AS definition, floworch_schedule.override_cron AS override_cron, floworch_schedule.paused_at AS paused_at, floworch_schedule.paused_until AS paused_until, floworch_schedule.pause_reason AS pause_reason, floworch_schedule.retired_at AS retired_at, floworch_schedule.next_fire_at AS next_fire_at, floworch_schedule.due_at AS due_at, floworch_schedule.waits_for AS waits_for, floworch_schedule.last_tick_at AS last_tick_at, floworch_schedule.backfill AS backfill, floworch_schedule.backfills AS backfills, floworch_schedule.revision AS revision, floworch_schedule.updated_at AS updated_at
FROM floworch_schedule
WHERE floworch_schedule.due_at IS NOT NULL AND floworch_schedule.due_at > ? AND (EXISTS (SELECT *
FROM floworch_flow
WHERE floworch_flow.id = floworch_schedule.flow_id AND floworch_flow.id IN (__[POSTCOMPILE_id_5]) AND floworch_flow.is_enabled = 1)) ORDER BY floworch_schedule.due_at
 LIMIT ? OFFSET ?) AS anon_5;

-- retention: ticks
SELECT floworch_tick.flow_id, floworch_tick.trigger_key, floworch_tick.scheduled_at
FROM floworch_tick
WHERE floworch_tick.recorded_at < ? ORDER BY floworch_tick.recorded_at
 LIMIT ? OFFSET ?;

-- notices
SELECT anon_1.id, anon_1.flow_id, anon_1.status, anon_1.notice_at, anon_1.notice_tries
FROM (SELECT floworch_run.id AS id, floworch_run.flow_id AS flow_id, floworch_run.status AS status, floworch_run.notice_at AS notice_at, floworch_run.notice_tries AS notice_tries
FROM floworch_run
WHERE floworch_run.notice_at IS NOT NULL AND floworch_run.flow_id = ? ORDER BY floworch_run.notice_at
 LIMIT ? OFFSET ?) AS anon_1;

-- ready
SELECT anon_1.run_id, anon_1.step_key, anon_1.attempt, anon_1.type, anon_1.flow_id, anon_1.priority, anon_1.concurrency_key, anon_1.manifest_hash, anon_1.ready_at
FROM (SELECT floworch_step.run_id AS run_id, floworch_step.step_key AS step_key, floworch_step.attempt AS attempt, floworch_step.type AS type, floworch_step.flow_id AS flow_id, floworch_step.priority AS priority, floworch_step.concurrency_key AS concurrency_key, (SELECT floworch_run.manifest_hash
FROM floworch_run
WHERE floworch_run.id = floworch_step.run_id) AS manifest_hash, floworch_step.ready_at AS ready_at
FROM floworch_step
WHERE floworch_step.status = 'Ready' AND floworch_step.flow_id = ? AND floworch_step.type IN (__[POSTCOMPILE_type_1]) AND (EXISTS (SELECT *
FROM floworch_run
WHERE floworch_run.id = floworch_step.run_id AND (floworch_run.status NOT IN (__[POSTCOMPILE_status_1])))) ORDER BY floworch_step.priority DESC, floworch_step.ready_at
 LIMIT ? OFFSET ?) AS anon_1;

-- ready: keys passed over
SELECT anon_1.run_id, anon_1.step_key, anon_1.attempt, anon_1.type, anon_1.flow_id, anon_1.priority, anon_1.concurrency_key, anon_1.manifest_hash, anon_1.ready_at
FROM (SELECT floworch_step.run_id AS run_id, floworch_step.step_key AS step_key, floworch_step.attempt AS attempt, floworch_step.type AS type, floworch_step.flow_id AS flow_id, floworch_step.priority AS priority, floworch_step.concurrency_key AS concurrency_key, (SELECT floworch_run.manifest_hash
FROM floworch_run
WHERE floworch_run.id = floworch_step.run_id) AS manifest_hash, floworch_step.ready_at AS ready_at
FROM floworch_step
WHERE floworch_step.status = 'Ready' AND floworch_step.flow_id = ? AND floworch_step.type IN (__[POSTCOMPILE_type_1]) AND (EXISTS (SELECT *
FROM floworch_run
WHERE floworch_run.id = floworch_step.run_id AND (floworch_run.status NOT IN (__[POSTCOMPILE_status_1])))) AND (floworch_step.concurrency_key IS NULL OR (floworch_step.concurrency_key NOT IN (SELECT value FROM json_each(?)))) ORDER BY floworch_step.priority DESC, floworch_step.ready_at
 LIMIT ? OFFSET ?) AS anon_1;

-- limits: rules, locked
SELECT floworch_limit_rule.name, floworch_limit_rule.code, floworch_limit_rule.override, floworch_limit_rule.updated_at, ? AS now
FROM floworch_limit_rule
WHERE floworch_limit_rule.name IN (__[POSTCOMPILE_name_1]) ORDER BY floworch_limit_rule.name;

-- limits: running
SELECT floworch_step.type, floworch_step.flow_id, floworch_step.concurrency_key, count(*) AS steps
FROM floworch_step
WHERE floworch_step.lease_until IS NOT NULL GROUP BY floworch_step.type, floworch_step.flow_id, floworch_step.concurrency_key;

-- limits: use
SELECT 'limit' AS kind, ? AS now, floworch_limit_rule.name AS name, CAST(NULL AS TEXT) AS "key", floworch_limit_rule.code AS code, floworch_limit_rule.override AS override, floworch_limit_rule.updated_at AS at, CAST(NULL AS CHAR(36)) AS flow_id, CAST(NULL AS INTEGER) AS steps
FROM floworch_limit_rule UNION ALL SELECT 'arrival' AS kind, ? AS now, floworch_limit_arrival.name AS name, floworch_limit_arrival."key" AS "key", CAST(NULL AS TEXT) AS code, CAST(NULL AS TEXT) AS override, floworch_limit_arrival.on_time_at AS at, CAST(NULL AS CHAR(36)) AS flow_id, CAST(NULL AS INTEGER) AS steps
FROM floworch_limit_arrival
WHERE floworch_limit_arrival.on_time_at > ? UNION ALL SELECT 'running' AS kind, ? AS now, anon_1.type AS name, anon_1.concurrency_key AS "key", CAST(NULL AS TEXT) AS code, CAST(NULL AS TEXT) AS override, CAST(NULL AS BIGINT) AS at, anon_1.flow_id AS flow_id, anon_1.steps AS steps
FROM (SELECT floworch_step.type AS type, floworch_step.flow_id AS flow_id, floworch_step.concurrency_key AS concurrency_key, count(*) AS steps
FROM floworch_step
WHERE floworch_step.lease_until IS NOT NULL AND (EXISTS (SELECT floworch_limit_rule.name
FROM floworch_limit_rule)) GROUP BY floworch_step.type, floworch_step.flow_id, floworch_step.concurrency_key) AS anon_1 UNION ALL SELECT 'waiting' AS kind, ? AS now, anon_2.type AS name, anon_2.concurrency_key AS "key", CAST(NULL AS TEXT) AS code, CAST(NULL AS TEXT) AS override, CAST(NULL AS BIGINT) AS at, anon_2.flow_id AS flow_id, anon_2.steps AS steps
FROM (SELECT floworch_step.type AS type, floworch_step.flow_id AS flow_id, floworch_step.concurrency_key AS concurrency_key, count(*) AS steps
FROM floworch_step
WHERE floworch_step.status = 'Ready' AND (EXISTS (SELECT floworch_limit_rule.name
FROM floworch_limit_rule)) GROUP BY floworch_step.type, floworch_step.flow_id, floworch_step.concurrency_key) AS anon_2;

-- runs: page
SELECT floworch_run.id, floworch_run.flow_id, floworch_run.flow_name, floworch_run.flow_version, floworch_run.manifest_hash, floworch_run.trigger_key, floworch_run.status, floworch_run.revision, floworch_run.started_at, floworch_run.ended_at, floworch_run.deadline, floworch_run.stop_kind, floworch_run.stop_reason, floworch_run.stop_at, floworch_run.idempotency_key, floworch_run.source_run_id, floworch_run.scheduled_at, floworch_run.parent_run_id, floworch_run.parent_step_key, floworch_run.parent_attempt, floworch_run.parent_waits, floworch_run.depth, floworch_run.concurrency_key, floworch_run.tells_parent, floworch_run.suspended_at, floworch_run.suspended_by, floworch_run.suspend_reason, floworch_run.notice_at, floworch_run.notice_tries, floworch_run.priority, floworch_run.tags
FROM floworch_run
WHERE floworch_run.flow_id = ? AND floworch_run.status IN (__[POSTCOMPILE_status_1]) AND floworch_run.source_run_id = ? AND floworch_run.started_at >= ? AND floworch_run.started_at < ? AND floworch_run.started_at <= ? AND (floworch_run.started_at < ? OR floworch_run.id < ?) ORDER BY floworch_run.started_at DESC, floworch_run.id DESC
 LIMIT ? OFFSET ?;

-- due
SELECT anon_1.kind, anon_1.run_id, anon_1.step_key, anon_1.attempt, anon_1.owner, anon_1.at
FROM (SELECT 'timer' AS kind, floworch_step.run_id AS run_id, floworch_step.step_key AS step_key, floworch_step.attempt AS attempt, floworch_step.owner AS owner, floworch_step.due_at AS at
FROM floworch_step
WHERE floworch_step.status = 'Pending' AND floworch_step.due_at <= ? ORDER BY floworch_step.due_at
 LIMIT ? OFFSET ?) AS anon_1 UNION ALL SELECT anon_2.kind, anon_2.run_id, anon_2.step_key, anon_2.attempt, anon_2.owner, anon_2.at
FROM (SELECT 'lease' AS kind, floworch_step.run_id AS run_id, floworch_step.step_key AS step_key, floworch_step.attempt AS attempt, floworch_step.owner AS owner, floworch_step.lease_until AS at
FROM floworch_step
WHERE floworch_step.lease_until IS NOT NULL AND floworch_step.lease_until <= ? ORDER BY floworch_step.lease_until
 LIMIT ? OFFSET ?) AS anon_2 UNION ALL SELECT anon_3.kind, anon_3.run_id, anon_3.step_key, anon_3.attempt, anon_3.owner, anon_3.at
FROM (SELECT 'deadline' AS kind, floworch_run.id AS run_id, CAST(NULL AS TEXT) AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS TEXT) AS owner, floworch_run.deadline AS at
FROM floworch_run
WHERE floworch_run.deadline IS NOT NULL AND floworch_run.ended_at IS NULL AND floworch_run.stop_kind IS NULL AND floworch_run.deadline <= ? ORDER BY floworch_run.deadline
 LIMIT ? OFFSET ?) AS anon_3 UNION ALL SELECT anon_4.kind, anon_4.run_id, anon_4.step_key, anon_4.attempt, anon_4.owner, anon_4.at
FROM (SELECT 'child' AS kind, floworch_run.id AS run_id, CAST(NULL AS TEXT) AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS TEXT) AS owner, floworch_run.ended_at AS at
FROM floworch_run
WHERE floworch_run.tells_parent = 1 AND floworch_run.ended_at IS NOT NULL ORDER BY floworch_run.ended_at
 LIMIT ? OFFSET ?) AS anon_4 UNION ALL SELECT anon_5.kind, anon_5.run_id, anon_5.step_key, anon_5.attempt, anon_5.owner, anon_5.at
FROM (SELECT 'next' AS kind, CAST(NULL AS CHAR(36)) AS run_id, CAST(NULL AS TEXT) AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS TEXT) AS owner, floworch_step.due_at AS at
FROM floworch_step
WHERE floworch_step.status = 'Pending' AND floworch_step.due_at > ? ORDER BY floworch_step.due_at
 LIMIT ? OFFSET ?) AS anon_5 UNION ALL SELECT anon_6.kind, anon_6.run_id, anon_6.step_key, anon_6.attempt, anon_6.owner, anon_6.at
FROM (SELECT 'next' AS kind, CAST(NULL AS CHAR(36)) AS run_id, CAST(NULL AS TEXT) AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS TEXT) AS owner, floworch_step.lease_until AS at
FROM floworch_step
WHERE floworch_step.lease_until IS NOT NULL AND floworch_step.lease_until > ? ORDER BY floworch_step.lease_until
 LIMIT ? OFFSET ?) AS anon_6 UNION ALL SELECT anon_7.kind, anon_7.run_id, anon_7.step_key, anon_7.attempt, anon_7.owner, anon_7.at
FROM (SELECT 'next' AS kind, CAST(NULL AS CHAR(36)) AS run_id, CAST(NULL AS TEXT) AS step_key, CAST(NULL AS INTEGER) AS attempt, CAST(NULL AS TEXT) AS owner, floworch_run.deadline AS at
FROM floworch_run
WHERE floworch_run.deadline IS NOT NULL AND floworch_run.ended_at IS NULL AND floworch_run.stop_kind IS NULL AND floworch_run.deadline > ? ORDER BY floworch_run.deadline
 LIMIT ? OFFSET ?) AS anon_7;
