"""Django REST framework with nested serializers, `in_bulk` and `bulk_update` in one transaction.

With HISTORY=1, django-simple-history records each customer, through `bulk_update_with_history`.
"""

import hashlib
import os

import django
from django.conf import settings
from sqlalchemy.engine import make_url

HISTORY = os.environ.get("HISTORY") == "1"
url = make_url(os.environ["DATABASE_URL"])
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.database,
            "USER": url.username,
            "PASSWORD": url.password,
            "HOST": url.query.get("host", url.host),
            "PORT": url.port,
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=["rest_framework", "simple_history", "bench"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
    ROOT_URLCONF=__name__,
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
    SECRET_KEY="bench",
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application
from django.db import connection, models, transaction
from django.urls import path
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.response import Response
from rest_framework.views import APIView
from simple_history.models import HistoricalRecords
from simple_history.utils import bulk_update_with_history


class Customer(models.Model):
    document_id = models.CharField(primary_key=True, max_length=512)
    segments = models.JSONField()
    if HISTORY:
        history = HistoricalRecords(
            custom_model_name="CustomerHistory", history_user_id_field=models.IntegerField(null=True)
        )

    class Meta:
        app_label = "bench"
        managed = False
        db_table = "customers"


def update_segments(customers):
    if HISTORY:
        bulk_update_with_history(customers, Customer, ["segments"], batch_size=1000)
    else:
        Customer.objects.bulk_update(customers, ["segments"], batch_size=1000)


class Token(models.Model):
    digest = models.CharField(unique=True, max_length=64)

    class Meta:
        app_label = "bench"
        managed = False
        db_table = "tokens"


class TokenAuthentication(BaseAuthentication):
    def authenticate(self, request):
        secret = request.headers.get("Authorization", "").removeprefix("Bearer ")
        token = Token.objects.filter(digest=hashlib.sha256(secret.encode()).hexdigest()).first()
        if token is None:
            raise AuthenticationFailed
        return None, token


class SegmentSerializer(serializers.Serializer):
    type = serializers.CharField()
    value = serializers.CharField()


class CustomerSerializer(serializers.Serializer):
    document_id = serializers.CharField()
    segments = SegmentSerializer(many=True, allow_null=True)


class BodySerializer(serializers.Serializer):
    customers = CustomerSerializer(many=True, allow_empty=False)


class ReplaceSegments(APIView):
    authentication_classes = (TokenAuthentication,)

    def post(self, request):
        body = BodySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        new_segments = {}
        for row in body.validated_data["customers"]:
            new_segments.setdefault(row["document_id"], row["segments"] or [])
        with transaction.atomic():
            customers = Customer.objects.in_bulk(list(new_segments))
            for customer in customers.values():
                customer.segments = new_segments[customer.document_id]
            update_segments(list(customers.values()))
        return Response({"updatedCustomers": [document_id for document_id in new_segments if document_id in customers]})


if HISTORY:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(1)")  # one worker at a time
        if Customer.history.model._meta.db_table not in connection.introspection.table_names():
            with connection.schema_editor() as editor:
                editor.create_model(Customer.history.model)
connection.close()  # each worker opens its own

urlpatterns = [path("api/v3/customers/segments", ReplaceSegments.as_view())]
app = get_wsgi_application()
