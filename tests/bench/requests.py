"""Requests of a gateway as JSON lines, from a seed, and the bare statement over them.

python requests.py generate FILE --rows 1_000_000     about 1 KB each: LiteLLM's spend logs, one in a hundred written twice
python requests.py floor FILE DATABASE                read_json with the same de-duplication, the same columns
"""

import argparse
from pathlib import Path

import duckdb

MEMORY = "1GB"  # as costctl has it
ROW = """
    SELECT
        concat('chatcmpl-', md5(concat($seed, n))) AS request_id, 'acompletion' AS call_type, md5(concat('key', n % 400)) AS api_key,
        (1000 + n % 9000) * 2.5e-6 AS spend, 1100 + n % 9000 + n % 700 AS total_tokens, 1000 + n % 9000 AS prompt_tokens, 100 + n % 700 AS completion_tokens,
        strftime(TIMESTAMP '2026-10-01' + to_microseconds(CAST(n AS BIGINT) * 2500000 % 2592000000000), '%Y-%m-%d %H:%M:%S.%f') AS startTime,
        strftime(TIMESTAMP '2026-10-01 00:00:04' + to_microseconds(CAST(n AS BIGINT) * 2500000 % 2592000000000), '%Y-%m-%d %H:%M:%S.%f') AS endTime,
        ['gpt-5', 'gpt-5-mini', 'claude-sonnet-4-6', 'claude-haiku-4-5'][n % 4 + 1] AS model, 'chat' AS model_group,
        CASE WHEN n % 4 < 2 THEN 'openai' ELSE 'anthropic' END AS custom_llm_provider, concat('user-', n % 5000) AS "user", concat('team-', n % 40) AS team_id,
        '' AS end_user, '["env:prod"]' AS request_tags, 'None' AS cache_hit, md5(concat('session', n // 7)) AS session_id, 'success' AS status,
        concat('{"user_api_key_alias": "key-', n % 400, '", "usage_object": {"prompt_tokens": ', 1000 + n % 9000, ', "completion_tokens": ', 100 + n % 700,
            ', "prompt_tokens_details": {"cached_tokens": ', n % 1000, '}, "completion_tokens_details": {"reasoning_tokens": ', n % 100,
            '}}, "requester_ip_address": "10.0.', n % 250, '.', n % 240, '", "additional_usage_values": {}, "spend_logs_metadata": null}') AS metadata
    FROM (SELECT i - CASE WHEN i % 100 = 99 THEN 1 ELSE 0 END AS n FROM range($rows) AS r(i))
"""
FLOOR = """
    CREATE TABLE requests AS
    SELECT
        request_id, CAST("startTime" AS TIMESTAMP) AS ts_start, CAST("endTime" AS TIMESTAMP) AS ts_end, model, custom_llm_provider, "user", team_id, api_key,
        prompt_tokens, completion_tokens, total_tokens, status, cache_hit, CAST(spend AS DECIMAL(38, 18)) AS spend,
        CAST(metadata ->> '$.usage_object.prompt_tokens_details.cached_tokens' AS BIGINT) AS cached,
        CAST(metadata ->> '$.usage_object.completion_tokens_details.reasoning_tokens' AS BIGINT) AS reasoning
    FROM read_json('{file}', format = 'newline_delimited', columns = {{
        request_id: 'VARCHAR', "startTime": 'VARCHAR', "endTime": 'VARCHAR', model: 'VARCHAR', custom_llm_provider: 'VARCHAR', "user": 'VARCHAR', team_id: 'VARCHAR',
        api_key: 'VARCHAR', prompt_tokens: 'BIGINT', completion_tokens: 'BIGINT', total_tokens: 'BIGINT', status: 'VARCHAR', cache_hit: 'VARCHAR', spend: 'VARCHAR', metadata: 'VARCHAR'
    }})
    QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY total_tokens DESC) = 1
"""


def generate(file, rows, seed):
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY ({ROW.replace('$rows', str(rows)).replace('$seed', str(seed))}) TO '{file}' (FORMAT json)"
        )


def floor(file, database):
    Path(database).unlink(missing_ok=True)
    with duckdb.connect(database) as connection:
        connection.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute(FLOOR.format(file=file))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["generate", "floor"])
    parser.add_argument("file", type=Path)
    parser.add_argument("database", nargs="?")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.what == "generate":
        generate(given.file, given.rows, given.seed)
    else:
        floor(given.file, given.database)


if __name__ == "__main__":
    main()
