from django.db import migrations, models
from django.db.models import F, Q

from apps.base import schema_changes

FAILED = Q(status='exhausted') | Q(status='pending', last_error__gt='')
HAD_ERRORS = Q(last_error__gt='') | Q(attempt_count__gt=F('uncounted_attempts') + 1)
CONDITIONS = {
    'delivery_succeeded': Q(status='succeeded'),
    'delivery_failed': FAILED,
    'delivery_waiting': Q(status='pending') | Q(status='sending'),
    'delivery_had_errors': HAD_ERRORS,
}


class Migration(migrations.Migration):
    atomic = False

    dependencies = [('webhooks', '0010_attempts_of_an_endpoint')]

    operations = [
        *(
            schema_changes.AddIndex('delivery', models.Index(fields=['endpoint', 'id'], name=name, condition=condition))
            for name, condition in CONDITIONS.items()
        ),
        schema_changes.AddIndex(
            'delivery', models.Index(fields=['endpoint', 'event_type', 'id'], name='delivery_by_type')
        ),
    ]
