-- Run once by a fresh PostgreSQL: a database each for Prefect and MLflow beside camelx's own.
CREATE DATABASE prefect;
CREATE DATABASE mlflow;
\connect prefect
CREATE EXTENSION IF NOT EXISTS pg_trgm;
