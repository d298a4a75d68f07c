from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0017_notices_of_deleted_endpoints")]

    operations = [migrations.AddField(model_name="attempt", name="url", field=models.TextField(null=True))]
