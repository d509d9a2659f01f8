"""URLs with a planted secret in every place that a URL has for one, and URLs that look like it."""

from __future__ import annotations

WITH_SECRETS = (
    "postgresql://me:planted@host/db",
    "postgresql+psycopg://:planted@host/db",
    "postgresql://me:planted/planted@host/db",
    "postgresql://me:planted@planted@host/db",
    "postgresql://me:planted%40planted%2F@host/db",
    "postgresql://me:planted?planted#planted@host/db",
    "postgresql://me:planted planted@host/db",
    "postgresql://me:planted:planted@host:5432/db",
    "postgresql+psycopg://host/db?user=me&password=planted",
    "postgresql://me@host/db?PassWord=planted%26planted",
    "postgresql://me@host/db?pass%77ord=planted",
    "postgresql://me@host/db?sslmode=require&sslpassword=planted&connect_timeout=5",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BUID%3Dme%3BPWD%3Dplanted",
    "http://me:planted@host:5000",
    "https://me:planted/planted@host/mlflow",
    "https://host/mlflow?access_token=planted",
    "https://host/mlflow?API-Key=planted",
    "s3://AKIA:planted@bucket/studies",
    "https://account.blob.core.windows.net/box?sv=1&sig=planted",
)

WITHOUT_SECRETS = (
    "/srv/ttur/a:b@c",
    "sqlite:////srv/a:b/c@d.db",
    "postgresql://host:5432/db",
    "postgresql+psycopg://me@host:5432/db?connect_timeout=5&keepalives=1",
    "postgresql://me@host/db?passfile=/home/me/.pgpass&sslkey=/home/me/client.key",
    "http://host:5000",
    "http://[::1]:5000/mlflow",
    "s3://bucket/tokens/a:b@c",
    "gs://bucket/keys",
    "wasbs://box@account.blob.core.windows.net/studies",
)
