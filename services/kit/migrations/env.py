"""Run by Alembic itself, on the connection and inside the transaction that `Database.migrate` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
