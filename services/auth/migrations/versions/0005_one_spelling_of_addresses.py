"""Bring addresses to the one spelling in which they are compared: composed Unicode, international domains, lower case.

Where that is another user's address already, the row stays, and the operator is told: they sign in as before only once
one of the two is changed.
"""

import sys

from alembic import op
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from auth.domain.users import normalise_email

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Others have that spelling already.
FIND = """
select id, email from users where email ~ '[^ -~]' or email ~* 'xn--' or email <> lower(email) order by created_at
"""
SAVE = "update users set email = :email where id = :id"


def upgrade() -> None:
    connection = op.get_bind()
    for user_id, email in connection.execute(text(FIND)).all():
        normal = normalise_email(email)
        if normal == email:
            continue
        try:
            with connection.begin_nested():
                connection.execute(text(SAVE), {"id": user_id, "email": normal})
        except IntegrityError:
            sys.stderr.write(f"user {user_id} keeps the address {email}: {normal} is another user's\n")
