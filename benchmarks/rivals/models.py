"""The log row that the usual combination of packages stores for each request."""

from django.db import models


class LogRow(models.Model):
    """One request."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    user_id = models.IntegerField(null=True)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=200)
    status = models.PositiveSmallIntegerField()
    duration_ms = models.FloatField()
    address = models.CharField(max_length=45)
    user_agent = models.CharField(max_length=300)

    class Meta:
        app_label = "rivals"

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"
